"""Decisions as Limitador's tests and its code have them, in both lanes.

Sources: Kuadrant/limitador at 2981b2b, `limitador-server/src/envoy_rls/server.rs`,
`limitador/tests/integration_tests.rs` and, where marked, its recorded answers.
"""

import pytest

from tests.ratelimit.host import (
    DRAFT_03,
    LANES,
    OK,
    OVER_LIMIT,
    UNKNOWN,
    Host,
    codes,
    headers,
    request,
)


@pytest.fixture(params=LANES)
def host(request: pytest.FixtureRequest) -> Host:
    return Host(native=request.param == "native", headers=DRAFT_03)


GET_PER_APP = """
- namespace: ns
  max_value: {max}
  seconds: 60
  conditions: ["descriptors[0]['req.method'] == 'GET'"]
  variables: ["descriptors[0]['app.id']"]
"""
CALL = {"req.method": "GET", "app.id": "1"}


def limit(namespace: str = "ns", **fields: object) -> str:
    entry = {"namespace": namespace, "max_value": 1, "seconds": 60, "conditions": [], **fields}
    entry.setdefault("variables", [])
    return f"- {entry!r}\n".replace("None", "null")


def test_second_hit_on_one_is_limited(host: Host) -> None:
    host.load(GET_PER_APP.format(max=1))
    assert codes([host.should("ns", CALL), host.should("ns", CALL)]) == [OK, OVER_LIMIT]


def test_headers_stand_on_both_answers(host: Host) -> None:
    host.load(GET_PER_APP.format(max=1))
    for _ in range(2):
        found = headers(host.should("ns", CALL))
        assert found == {
            "X-RateLimit-Limit": "1, 1;w=60",
            "X-RateLimit-Remaining": "0",
            "X-RateLimit-Reset": "60",
        }


def test_no_limits_allow_without_headers(host: Host) -> None:
    answer = host.should("ns", CALL)
    assert answer.overall_code == OK
    assert not answer.response_headers_to_add


@pytest.mark.parametrize("method", ["should", "check", "report"])
def test_empty_domain_is_unknown(host: Host, method: str) -> None:
    host.load(limit(namespace="", max_value=0))
    answer = getattr(host, method)("", CALL)
    assert answer.overall_code == UNKNOWN
    assert not answer.ListFields() or answer.ListFields()[0][0].name == "overall_code"
    assert host.service.decider.totals() == {}


TWO_DESCRIPTORS = limit(max_value=10, conditions=["descriptors[0]['a'] == '1'"]) + limit(
    max_value=0, conditions=["descriptors[0]['a'] == '1'", "descriptors[1]['b'] == '2'"]
)


def test_all_descriptors_count_together(host: Host) -> None:
    host.load(TWO_DESCRIPTORS)
    answer = host.should("ns", {"a": "1"}, {"b": "2"})
    assert answer.overall_code == OVER_LIMIT
    assert headers(answer)["X-RateLimit-Limit"] == "0, 0;w=60, 10;w=60"


def test_check_considers_all_descriptors(host: Host) -> None:
    host.load(TWO_DESCRIPTORS)
    assert host.check("ns", {"a": "1"}, {"b": "2"}).overall_code == OVER_LIMIT
    assert host.check("ns", {"a": "1"}).overall_code == OK


def test_hits_addend_charges_at_once(host: Host) -> None:
    host.load(limit(max_value=10))
    first, second = host.should("ns", CALL, hits=6), host.should("ns", CALL, hits=6)
    assert codes([first, second]) == [OK, OVER_LIMIT]
    assert headers(first)["X-RateLimit-Remaining"] == "4"
    assert headers(second)["X-RateLimit-Remaining"] == "0"
    assert host.should("ns", CALL, hits=4).overall_code == OK


def test_hits_addend_zero_counts_one(host: Host) -> None:
    host.load(limit())
    assert codes([host.should("ns", CALL) for _ in range(2)]) == [OK, OVER_LIMIT]


def test_check_never_consumes(host: Host) -> None:
    host.load(limit())
    assert codes([host.check("ns", CALL, hits=5) for _ in range(3)]) == [OK] * 3
    host.load(limit(max_value=0))
    assert host.check("ns", CALL).overall_code == OVER_LIMIT


def test_check_and_report_without_limits_are_ok(host: Host) -> None:
    assert codes([host.check("ns", CALL), host.report("ns", CALL)]) == [OK, OK]


def test_report_goes_past_the_limit(host: Host) -> None:
    host.load(limit(max_value=5))
    assert host.report("ns", CALL, hits=4).overall_code == OK
    assert host.check("ns", CALL).overall_code == OK
    assert host.report("ns", CALL, hits=20).overall_code == OK
    assert host.check("ns", CALL).overall_code == OVER_LIMIT


@pytest.mark.parametrize("identifier", [None, "an-id"])
def test_three_fit_and_the_fourth_does_not(host: Host, identifier: str | None) -> None:
    host.load(limit(max_value=3, id=identifier))
    answers = [host.should("ns", CALL) for _ in range(4)]
    assert codes(answers) == [OK, OK, OK, OVER_LIMIT]
    assert [headers(answer)["X-RateLimit-Remaining"] for answer in answers] == ["2", "1", "0", "0"]


def test_disjoint_conditions_count_apart(host: Host) -> None:
    host.load(
        limit(conditions=["descriptors[0].m == 'GET'"])
        + limit(conditions=["descriptors[0].m == 'POST'"])
    )
    assert host.should("ns", {"m": "GET"}).overall_code == OK
    assert host.should("ns", {"m": "POST"}).overall_code == OK
    assert host.should("ns", {"m": "GET"}).overall_code == OVER_LIMIT


def test_delta_past_max_is_refused_when_empty(host: Host) -> None:
    host.load(limit(max_value=10))
    assert host.should("ns", CALL, hits=11).overall_code == OVER_LIMIT
    assert codes([host.should("ns", CALL, hits=5) for _ in range(3)]) == [OK, OK, OVER_LIMIT]


def test_unrelated_entries_share_the_counter(host: Host) -> None:
    host.load(GET_PER_APP.format(max=1))
    assert host.should("ns", CALL).overall_code == OK
    assert host.should("ns", {**CALL, "more": "x"}).overall_code == OVER_LIMIT


def test_limit_zero_denies_only_where_it_applies(host: Host) -> None:
    host.load(limit(max_value=0, conditions=["descriptors[0].a == '1'"]))
    assert host.should("ns", {"a": "2"}).overall_code == OK
    assert host.should("ns", {"a": "1"}).overall_code == OVER_LIMIT


def test_repeated_key_keeps_its_last_value(host: Host) -> None:
    host.load(limit(max_value=0, conditions=["descriptors[0].a == '2'"]))
    message = request("ns", {"a": "1"})
    message.descriptors[0].entries.add(key="a", value="2")
    assert host.call("ShouldRateLimit", message).overall_code == OVER_LIMIT


def test_zero_descriptors_meet_unconditional_limits(host: Host) -> None:
    host.load(limit())
    assert codes([host.should("ns"), host.should("ns")]) == [OK, OVER_LIMIT]


@pytest.mark.parametrize(
    ("condition", "fields", "applies"),
    [
        ("limit.name == 'x'", {"name": "x"}, True),
        ("limit.name == 'x'", {"name": "y"}, False),
        ("limit.name == 'x'", {}, False),
        ("limit.id == 'i'", {"id": "i"}, True),
        ("limit.name == null", {}, True),
        ("limit.nothing == 'x'", {"name": "x"}, False),
        ("int(descriptors[0].n) > 5", {}, True),
        ("int(descriptors[0].n) > 50", {}, False),
        ("descriptors[0].n == 1", {}, False),
        ("descriptors[1].y == '2'", {}, False),
        ("descriptors[0].n > 5", {}, False),
        ("descriptors.exists(d, d.n == '12')", {}, True),
        ("42", {}, False),
        ("req_method == 'GET'", {}, False),
        ("descriptors[0].n == '12' ? true : unknown", {}, False),
        ("has(descriptors[0].absent)", {}, False),
        ("'n' in descriptors[0]", {}, True),
        ("max(1, int(descriptors[0].n)) == 12", {}, True),
        ("int(descriptors[0].n) == 12u", {}, True),
    ],
)
def test_condition_decides_whether_limit_applies(
    host: Host, condition: str, fields: dict[str, str], applies: bool
) -> None:
    host.load(limit(max_value=0, conditions=[condition], **fields))
    assert (host.should("ns", {"n": "12"}).overall_code == OVER_LIMIT) is applies


@pytest.mark.parametrize(
    ("variable", "entries", "value"),
    [
        ("descriptors[0].foo.endsWith('baz')", {"foo": "bar-baz"}, "true"),
        ("int(descriptors[0].n) / 10", {"n": "25"}, "2"),
        ("double(descriptors[0].n)", {"n": "1.0"}, "1"),
        ("double(descriptors[0].n)", {"n": "1.5"}, "1.5"),
        ("timestamp(descriptors[0].t).getHours()", {"t": "2026-01-02T13:04:05Z"}, "13"),
        ("null", {}, "null"),
        ("'const'", {}, "const"),
        ("descriptors[0].u", {"u": ""}, ""),
    ],
)
def test_variable_value_becomes_key(
    host: Host, variable: str, entries: dict[str, str], value: str
) -> None:
    host.load(limit(max_value=2, variables=[variable]))
    assert host.should("ns", entries).overall_code == OK
    (counter,) = host.listed()
    assert counter.values == (value,)


def test_two_variables_key_by_the_pair(host: Host) -> None:
    host.load(limit(variables=["descriptors[0].u", "descriptors[0].v"]))
    pairs = [("a", "bc"), ("ab", "c"), ("a", "bc")]
    assert codes([host.should("ns", {"u": u, "v": v}) for u, v in pairs]) == [OK, OK, OVER_LIMIT]


@pytest.mark.parametrize("variable", ["descriptors[0].u", "nowhere"])
def test_variable_without_value_skips_the_limit(host: Host, variable: str) -> None:
    host.load(limit(max_value=0, variables=[variable], name="x"))
    assert host.should("ns", {"x": "y"}).overall_code == OK


def test_denied_hit_consumes_nothing_elsewhere(host: Host) -> None:
    host.load(limit(max_value=10, name="wide") + limit(max_value=1, seconds=30))
    assert host.should("ns").overall_code == OK
    assert host.should("ns").overall_code == OVER_LIMIT
    values = sorted(counter.value for counter in host.listed())
    assert values == [1, 1]


def test_window_ends_where_its_first_hit_said(host: Host) -> None:
    host.load(limit(max_value=2))
    assert host.should("ns").overall_code == OK
    host.advance(50)
    answer = host.should("ns")
    assert headers(answer)["X-RateLimit-Reset"] == "10"
    host.advance(9.9)
    assert host.should("ns").overall_code == OVER_LIMIT
    host.advance(0.1)
    assert host.should("ns").overall_code == OK


def test_two_windows_are_listed_by_remaining(host: Host) -> None:
    host.load(limit(max_value=100, seconds=60) + limit(max_value=10, seconds=1))
    answer = host.should("ns")
    assert headers(answer)["X-RateLimit-Limit"] == "10, 10;w=1, 100;w=60"


def test_quotes_in_names_become_single(host: Host) -> None:
    host.load(limit(max_value=9, name='per "user"'))
    assert headers(host.should("ns"))["X-RateLimit-Limit"] == "9, 9;w=60;name=\"per 'user'\""


def test_line_break_in_name_cannot_end_header(host: Host) -> None:
    host.load(limit(max_value=9).replace("}", ', name: "a\\r\\nb"}'))
    assert headers(host.should("ns"))["X-RateLimit-Limit"] == '9, 9;w=60;name="a  b"'


def test_window_of_zero_refuses_only_too_much_at_once(host: Host) -> None:
    host.load(limit(max_value=2, seconds=0))
    assert codes([host.should("ns") for _ in range(4)]) == [OK] * 4
    assert host.should("ns", hits=3).overall_code == OVER_LIMIT


def test_first_of_equal_identity_wins(host: Host) -> None:
    host.load(limit(max_value=1, name="first") + limit(max_value=5, name="second"))
    assert codes([host.should("ns"), host.should("ns")]) == [OK, OVER_LIMIT]
    (kept,) = host.active.current.limits("ns")
    assert kept.limit.name == "first"
    assert "no effect" in host.active.current.warnings[0].message


def test_largest_maximum_is_exact(host: Host) -> None:
    host.load(limit(max_value=2**64 - 1))
    answer = host.should("ns", hits=2**32 - 1)
    assert headers(answer)["X-RateLimit-Remaining"] == str(2**64 - 2**32)
