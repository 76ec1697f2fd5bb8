"""Hits of single descriptors, statuses, and expressions that fail."""

import pytest

from ratelimit.status import status
from tests.ratelimit.host import LANES, OK, OVER_LIMIT, Host, Response, codes, request

TWO_HOMES = """
- {namespace: ns, max_value: 10, seconds: 60, name: first, variables: [],
   conditions: ["descriptors[0].a == '1'"]}
- {namespace: ns, max_value: 5, seconds: 7200, name: second, variables: [],
   conditions: ["descriptors[1].b == '2'"]}
"""


@pytest.fixture(params=LANES)
def host(request: pytest.FixtureRequest) -> Host:
    return Host(native=request.param == "native")


def ask(host: Host, *hits: int | None) -> Response:
    asked = request("ns", {"a": "1"}, {"b": "2"})
    for descriptor, addend in zip(asked.descriptors, hits, strict=False):
        if addend is not None:
            descriptor.hits_addend.value = addend
    return host.call("ShouldRateLimit", asked)


def values(host: Host) -> dict[str, int]:
    by_digest = host.active.current.by_digest
    counters = host.listed()
    return {str(by_digest[c.limit_digest].limit.name): c.value for c in counters}


def test_each_descriptor_charges_its_own_limits(host: Host) -> None:
    host.load(TWO_HOMES)
    assert ask(host, 3, 2).overall_code == OK
    assert values(host) == {"first": 3, "second": 2}


def test_present_zero_looks_without_charging(host: Host) -> None:
    host.load(TWO_HOMES)
    assert ask(host, None, 5).overall_code == OK
    assert codes([ask(host, 1, 0), ask(host, 1, 1)]) == [OK, OVER_LIMIT]
    assert values(host) == {"first": 2, "second": 5}


def test_negative_hits_give_back(host: Host) -> None:
    host.load(TWO_HOMES)
    assert ask(host, 4, 5).overall_code == OK
    asked = request("ns", {"a": "1"}, {"b": "2"})
    asked.descriptors[1].hits_addend.value = 2
    # Field 4 of a descriptor is newer than the generated module.
    asked.descriptors[1].MergeFromString(b"\x20\x01")
    assert host.call("ShouldRateLimit", asked).overall_code == OK
    assert values(host) == {"first": 5, "second": 3}


def test_statuses_tell_each_descriptor(host: Host) -> None:
    host.load(TWO_HOMES)
    answer = ask(host, 4, 6)
    first, second = answer.statuses
    assert (first.code, second.code) == (OK, OVER_LIMIT)
    assert first.current_limit.requests_per_unit == 10
    assert first.current_limit.unit == Response.RateLimit.MINUTE
    assert first.limit_remaining == 6
    assert second.current_limit.name == "second"
    assert second.current_limit.unit == Response.RateLimit.HOUR
    assert second.duration_until_reset.seconds == 7200


def test_descriptor_without_limit_has_a_bare_status(host: Host) -> None:
    host.load(TWO_HOMES)
    answer = host.should("ns", {"a": "1"}, {"b": "other"})
    assert [status.HasField("current_limit") for status in answer.statuses] == [True, False]
    assert answer.statuses[1].code == OK


FAILING = """
- {{namespace: ns, max_value: 1, seconds: 60, name: strict, on_error: {on_error},
   conditions: ["int(descriptors[0].n) > 5"], variables: ["1 / int(descriptors[0].d)"]}}
- {{namespace: ns, max_value: 100, seconds: 60, conditions: [], variables: []}}
"""


@pytest.mark.parametrize(
    ("on_error", "expected"),
    [
        ("skip", [OK, OK, OK]),
        ("apply", [OK, OVER_LIMIT, OVER_LIMIT]),
        ("refuse", [OVER_LIMIT, OVER_LIMIT, OVER_LIMIT]),
    ],
)
@pytest.mark.parametrize("entries", [{"n": "word", "d": "1"}, {"n": "6", "d": "0"}])
def test_failure_does_what_on_error_says(
    host: Host, on_error: str, expected: list[int], entries: dict[str, str]
) -> None:
    host.load(FAILING.format(on_error=on_error))
    assert codes([host.should("ns", entries) for _ in range(3)]) == expected
    assert host.report("ns", entries).overall_code == OK
    (failures,) = status(host.service)["limit_errors"]
    assert (failures["name"], failures["errors"]) == ("strict", 4)
    charged = values(host).get("None", 0)
    assert charged == 1 + expected.count(OK)


@pytest.mark.parametrize("on_error", ["skip", "apply", "refuse"])
def test_missing_key_is_no_failure(host: Host, on_error: str) -> None:
    host.load(FAILING.format(on_error=on_error))
    assert codes([host.should("ns", {"x": "1"}) for _ in range(3)]) == [OK] * 3
    assert status(host.service)["limit_errors"] == []


def test_refusing_limit_charges_nothing(host: Host) -> None:
    host.load(FAILING.format(on_error="refuse"))
    answer = host.should("ns", {"n": "word"}, hits=7)
    assert answer.overall_code == OVER_LIMIT
    assert answer.statuses[0].current_limit.name == "strict"
    assert values(host) == {}


def test_malformed_request_is_internal(host: Host) -> None:
    host.load(TWO_HOMES)
    assert host.answer("ShouldRateLimit", b"\x12\x80")[0] == 13
    assert host.answer("ShouldRateLimit", b"\x0a\x02ns" + b"\x12\x00" * 2000)[0] == 8
