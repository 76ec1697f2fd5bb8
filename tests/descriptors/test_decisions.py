"""What a request meets and how it is answered; every test runs in both lanes."""

import pytest

from ratelimit.descriptors.options import DescriptorOptions, HeaderNames
from tests.descriptors.host import LANES, OK, OVER_LIMIT, Host, Response, descriptor

TREE = """\
domain: d
descriptors:
- {key: a, rate_limit: {unit: minute, requests_per_unit: 2}}
- {key: a, value: big, rate_limit: {unit: hour, requests_per_unit: 10}}
- {key: q, quota_mode: true, rate_limit: {unit: hour, requests_per_unit: 1}}
- {key: r, quota_mode: true, rate_limit: {unit: hour, requests_per_unit: 2}}
- {key: s, shadow_mode: true, rate_limit: {unit: hour, requests_per_unit: 1}}
- {key: u, rate_limit: {unlimited: true, replaces: [{name: named}]}}
- {key: n, rate_limit: {name: named, unit: hour, requests_per_unit: 0}}
- {key: weeks, rate_limit: {unit: week, unit_multiplier: 2, requests_per_unit: 3}}
"""


@pytest.fixture(params=LANES)
def lane(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def loaded(lane: str, options: DescriptorOptions | None = None, *texts: str) -> Host:
    host = Host(lane == "native", options or DescriptorOptions())
    host.load(*(texts or (TREE,)))
    return host


def remaining(response: Response) -> list[int]:
    return [status.limit_remaining for status in response.statuses]


def codes(response: Response) -> list[int]:
    return [status.code for status in response.statuses]


def test_a_window_is_aligned_to_the_clock(lane: str) -> None:
    host = loaded(lane)
    host.wall_ns = 1_700_000_000 * 10**9 // (60 * 10**9) * 60 * 10**9 + 59_500_000_000
    one = descriptor({"a": "x"})
    assert host.should("d", one, hits=3).overall_code == OVER_LIMIT
    response = host.should("d", one)
    assert response.overall_code == OVER_LIMIT
    assert response.statuses[0].duration_until_reset.seconds == 1
    assert response.statuses[0].duration_until_reset.nanos == 0
    host.advance(0.5)
    response = host.should("d", one)
    assert response.overall_code == OK
    assert remaining(response) == [1]
    assert response.statuses[0].duration_until_reset.seconds == 60


def test_refused_hits_count(lane: str) -> None:
    host = loaded(lane)
    big = descriptor({"a": "big"})
    assert host.should("d", big, hits=9).overall_code == OK
    assert host.should("d", big, hits=2).overall_code == OVER_LIMIT
    assert host.should("d", big, hits=1).overall_code == OVER_LIMIT


def test_with_stop_when_over_only_what_refused_counts(lane: str) -> None:
    host = loaded(lane, DescriptorOptions(stop_when_over=True))
    small, big = descriptor({"a": "x"}), descriptor({"a": "big"})
    assert remaining(host.should("d", small, big, hits=2)) == [0, 8]
    assert remaining(host.should("d", small, big)) == [0, 8]
    assert remaining(host.should("d", big)) == [7]


def test_a_counter_named_twice_is_charged_in_turn(lane: str) -> None:
    host = loaded(lane)
    one = descriptor({"a": "x"})
    response = host.should("d", one, one, one)
    assert codes(response) == [OK, OK, OVER_LIMIT]
    assert remaining(response) == [1, 0, 0]


@pytest.mark.parametrize("everywhere", [False, True])
def test_quota_mode_refuses_when_all_quotas_are_used_up(lane: str, everywhere: bool) -> None:
    host = loaded(lane, DescriptorOptions(quota=everywhere))
    both = descriptor({"q": "x"}), descriptor({"r": "x"})
    assert host.should("d", *both).overall_code == OK
    response = host.should("d", *both)
    assert (response.overall_code, codes(response)) == (OK, [OVER_LIMIT, OK])
    response = host.should("d", *both)
    assert (response.overall_code, codes(response)) == (OVER_LIMIT, [OVER_LIMIT, OVER_LIMIT])
    other = descriptor({"none": "x"})
    # Under the global mode a descriptor without a limit is a quota that is not used up.
    expected = OK if everywhere else OVER_LIMIT
    assert host.should("d", *both, other).overall_code == expected


def test_an_ordinary_limit_refuses_beside_quotas(lane: str) -> None:
    host = loaded(lane)
    used = descriptor({"a": "x"}, hits=5)
    assert host.should("d", used, descriptor({"q": "x"})).overall_code == OVER_LIMIT


def test_global_shadow_mode_lets_pass_and_counts(lane: str) -> None:
    host = loaded(lane, DescriptorOptions(shadow=True))
    response = host.should("d", descriptor({"a": "x"}, hits=5))
    assert (response.overall_code, codes(response)) == (OK, [OVER_LIMIT])
    assert host.service.decider.totals()["shadowed",] == 1


def test_an_unlimited_limit_replaces_and_never_counts(lane: str) -> None:
    host = loaded(lane)
    assert host.should("d", descriptor({"n": "x"})).overall_code == OVER_LIMIT
    response = host.should("d", descriptor({"n": "x"}), descriptor({"u": "x"}))
    assert response.overall_code == OK
    assert remaining(response) == [0, 2**32 - 1]
    assert not response.statuses[1].HasField("current_limit")


def test_units_may_have_a_multiplier(lane: str) -> None:
    host = loaded(lane)
    response = host.should("d", descriptor({"weeks": "x"}))
    assert remaining(response) == [2]
    assert response.statuses[0].duration_until_reset.seconds <= 14 * 86_400
    host.advance(14 * 86_400)
    assert remaining(host.should("d", descriptor({"weeks": "x"}))) == [2]


def test_an_override_without_a_unit_is_an_error(lane: str) -> None:
    host = loaded(lane)
    asked = descriptor({"a": "x"}, limit=(3, "UNKNOWN"))
    asked.domain = "d"
    assert host.answer(asked.SerializeToString()) == (2, b"", "rate limit override has no unit")


def test_hits_may_be_given_back(lane: str) -> None:
    host = loaded(lane)
    one = descriptor({"a": "x"})
    assert remaining(host.should("d", one, hits=2)) == [0]
    back = descriptor({"a": "x"}, hits=1)
    back.descriptors[0].MergeFromString(b"\x20\x01")  # is_negative_hits
    assert remaining(host.should("d", back)) == [1]
    assert remaining(host.should("d", one)) == [0]


def test_what_is_given_back_counts_beside_a_refusal(lane: str) -> None:
    host = loaded(lane, DescriptorOptions(stop_when_over=True))
    host.should("d", descriptor({"a": "big"}, hits=3))
    back = descriptor({"a": "big"}, hits=2)
    back.descriptors[0].MergeFromString(b"\x20\x01")  # is_negative_hits
    response = host.should("d", back, descriptor({"n": "x"}))
    assert (response.overall_code, remaining(response)) == (OVER_LIMIT, [9, 0])
    assert remaining(host.should("d", descriptor({"a": "big"}, hits=0))) == [9]


def test_headers_tell_the_refusing_or_the_tightest_limit(lane: str) -> None:
    host = loaded(lane, DescriptorOptions(HeaderNames(limit="L", remaining="R", reset="S")))

    def told(*descriptors: dict[str, str], hits: int = 1) -> list[str]:
        response = host.should("d", *map(descriptor, descriptors), hits=hits)
        return [f"{header.key} {header.value}" for header in response.response_headers_to_add]

    assert told({"a": "big"}, {"a": "x"})[:2] == ["L 2", "R 1"]
    assert told({"a": "big"}, {"a": "x"}, hits=2)[:2] == ["L 2", "R 0"]
    assert told({"u": "x"}, {"none": "x"}) == []
    # A quota that is used up is only the tightest one.
    assert told({"q": "x"}, {"r": "x"}, hits=2)[:2] == ["L 1", "R 0"]


def test_counters_survive_a_change_of_their_limit(lane: str) -> None:
    host = loaded(lane)
    assert remaining(host.should("d", descriptor({"a": "x"}))) == [1]
    host.load(
        TREE.replace("unit: minute, requests_per_unit: 2", "unit: minute, requests_per_unit: 9")
    )
    assert remaining(host.should("d", descriptor({"a": "x"}))) == [7]


def test_a_domain_that_goes_is_unknown(lane: str) -> None:
    host = loaded(lane, None, TREE, "domain: e\ndescriptors: []")
    host.load("domain: e\ndescriptors: []")
    assert remaining(host.should("d", descriptor({"a": "x"}))) == [0]
    assert host.service.decider.totals()["unknown_domain", "d"] == 1


@pytest.mark.parametrize(
    ("domain", "descriptors", "complaint"),
    [
        ("", 1, "rate limit domain must not be empty"),
        ("d", 0, "rate limit descriptor list must not be empty"),
        ("d", 1, "no rate limit configuration loaded"),
    ],
)
def test_what_cannot_be_decided(lane: str, domain: str, descriptors: int, complaint: str) -> None:
    host = Host(lane == "native")
    made = descriptor({"a": "x"})
    made.domain = domain
    del made.descriptors[descriptors:]
    assert host.answer(made.SerializeToString()) == (2, b"", complaint)
    assert host.service.decider.totals() == {("calls",): 1, ("service_errors",): 1}
