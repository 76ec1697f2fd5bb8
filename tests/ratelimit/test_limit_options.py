"""What each option of a limit does to decisions, in both lanes."""

import pytest

from _fastpath.limit_spec import Fail
from ratelimit.limitador_file import parse
from tests.ratelimit.host import DRAFT_03, LANES, OK, OVER_LIMIT, Host, codes, headers

REST = "conditions: [], variables: []"


@pytest.fixture(params=LANES)
def native(request: pytest.FixtureRequest) -> bool:
    return bool(request.param == "native")


def host(native: bool, *limits: str) -> Host:
    """limits: fields of a limit without its namespace, conditions and variables."""
    made = Host(native=native, headers=DRAFT_03)
    made.load("".join(f"- {{namespace: ns, {REST}, {fields}}}\n" for fields in limits))
    return made


def values(made: Host) -> list[int]:
    return [counter.value for counter in made.listed()]


def test_shadow_counts_and_reports_but_never_refuses(native: bool) -> None:
    made = host(native, "max_value: 1, seconds: 60, shadow: true, name: later")
    answers = [made.should("ns", {}) for _ in range(3)]
    assert codes(answers) == [OK, OK, OK]
    assert values(made) == [3]
    assert made.check("ns", {}).overall_code == OK
    assert made.service.decider.totals()["ratelimit_shadow_refused", "ns", "later"] == 3
    assert headers(answers[2]) == {}
    assert not answers[2].statuses[0].HasField("current_limit")


def test_shadow_that_clients_are_told_of_shows_as_ok(native: bool) -> None:
    made = host(native, "max_value: 0, seconds: 60, shadow: true, headers: true")
    answer = made.should("ns", {})
    assert answer.statuses[0].code == OK
    assert answer.statuses[0].current_limit.requests_per_unit == 0
    assert headers(answer)["X-RateLimit-Limit"] == "0, 0;w=60"


def test_limit_that_binds_is_reported_before_a_fuller_shadow(native: bool) -> None:
    made = host(
        native,
        "max_value: 9, seconds: 60, name: binds",
        "max_value: 1, seconds: 30, name: shadow, shadow: true, headers: true",
    )
    answer = made.should("ns", {})
    assert answer.statuses[0].current_limit.name == "binds"
    assert headers(answer)["X-RateLimit-Limit"] == '9, 9;w=60;name="binds", 1;w=30;name="shadow"'


def test_refused_shadow_charges_what_passes(native: bool) -> None:
    made = host(
        native,
        "max_value: 5, seconds: 60",
        "max_value: 1, seconds: 30, shadow: true",
        "max_value: 2, seconds: 10",
    )
    assert codes([made.should("ns", {}) for _ in range(3)]) == [OK, OK, OVER_LIMIT]
    assert values(made) == [2, 2, 2]


def test_failing_shadow_that_would_refuse_is_counted_and_passed_over(native: bool) -> None:
    made = Host(native=native)
    made.load(
        """
        - {namespace: ns, max_value: 9, seconds: 1, conditions: [], variables: [int('a')],
           on_error: refuse, shadow: true, name: s}
        - {namespace: ns, max_value: 9, seconds: 2, conditions: [], variables: [int('b')],
           on_error: refuse, unlimited: true}
        """.replace("max_value: 9, seconds: 2", "seconds: 2")
    )
    assert made.should("ns", {}).overall_code == OK
    assert made.report("ns", {}).overall_code == OK
    assert made.service.decider.totals()["ratelimit_shadow_refused", "ns", "s"] == 1


def test_unlimited_counts_and_tells_nothing(native: bool) -> None:
    made = host(native, "unlimited: true, seconds: 60")
    answer = made.should("ns", {}, hits=7)
    assert answer.overall_code == OK
    assert values(made) == [7]
    assert headers(answer) == {}
    assert answer.statuses[0].limit_remaining == 0


def test_unlimited_that_clients_are_told_of_has_all_remaining(native: bool) -> None:
    made = host(native, "unlimited: true, seconds: 60, headers: true")
    status = made.should("ns", {}).statuses[0]
    assert (status.code, status.limit_remaining) == (OK, 2**32 - 1)
    assert not status.HasField("current_limit")


def test_disabled_limit_keeps_its_counters_unused(native: bool) -> None:
    fields = "max_value: 1, seconds: 60"
    made = host(native, fields)
    made.should("ns", {})
    made.load(f"- {{namespace: ns, {REST}, {fields}, enabled: false}}")
    assert codes([made.should("ns", {}) for _ in range(2)]) == [OK, OK]
    made.load(f"- {{namespace: ns, {REST}, {fields}}}")
    assert made.should("ns", {}).overall_code == OVER_LIMIT


def test_enabled_limit_stands_before_a_disabled_one_of_its_identity(native: bool) -> None:
    made = host(native, "max_value: 9, seconds: 60, enabled: false", "max_value: 0, seconds: 60")
    assert made.should("ns", {}).overall_code == OVER_LIMIT
    (warning,) = made.active.current.warnings
    assert str(warning) == "limits.yaml:1: the same limit stands at line 2; this one has no effect"


def test_highest_priority_of_those_that_refuse_is_reported(native: bool) -> None:
    made = host(
        native,
        "max_value: 0, seconds: 1, name: a",
        "max_value: 0, seconds: 2, name: b, priority: 5",
        "max_value: 0, seconds: 3, name: c, priority: -5",
        "max_value: 9, seconds: 4, name: d, priority: 9",
    )
    answer = made.should("ns", {})
    assert answer.statuses[0].current_limit.name == "b"
    assert ("limited_calls", "ns", "b") in made.service.decider.totals()
    told = headers(answer)["X-RateLimit-Limit"]
    assert [part[-2] for part in told.split(", ")[1:]] == ["b", "a", "c", "d"]


@pytest.mark.parametrize(
    ("cost", "hits", "charged"),
    [
        ("3", 1, 3),
        ("0", 5, 0),
        ("hits * 10", 2, 20),
        ("'int(descriptors[0].tokens)'", 1, 7),
        ("'uint(descriptors[0].tokens)'", 1, 7),
        ("\"limit.name == 'n' ? 4 : 5\"", 1, 4),
    ],
)
def test_cost_is_charged_in_place_of_the_hits(
    native: bool, cost: str, hits: int, charged: int
) -> None:
    made = host(native, f"max_value: 90, seconds: 60, name: n, cost: {cost}")
    made.should("ns", {"tokens": "7"}, hits=hits)
    made.report("ns", {"tokens": "7"}, hits=hits)
    assert sum(values(made)) == 2 * charged
    totals = made.service.decider.totals()
    assert totals["authorized_hits", "ns"] == 2 * hits


def test_check_looks_for_room_for_the_cost_of_one(native: bool) -> None:
    made = host(native, "max_value: 9, seconds: 60, cost: hits * 10")
    assert made.check("ns", {}).overall_code == OVER_LIMIT
    made = host(native, "max_value: 10, seconds: 60, cost: hits * 10")
    assert made.check("ns", {}, hits=5).overall_code == OK


def test_negative_cost_gives_back(native: bool) -> None:
    made = host(native, "max_value: 10, seconds: 60, cost: 'int(descriptors[0].c)'")
    made.should("ns", {"c": "9"})
    made.should("ns", {"c": "-4"})
    assert values(made) == [5]
    made.should("ns", {"c": "-9223372036854775808"})
    assert values(made) == [0]


def test_cost_without_its_key_means_no_limit(native: bool) -> None:
    made = host(native, "max_value: 0, seconds: 60, cost: 'int(descriptors[0].tokens)'")
    assert made.should("ns", {}).overall_code == OK
    assert ("limit_errors", "ns") not in {key[:2] for key in made.service.decider.totals()}


@pytest.mark.parametrize(
    ("on_error", "code", "charged"),
    [("skip", OK, []), ("apply", OK, [2]), ("refuse", OVER_LIMIT, [])],
)
def test_failing_cost_follows_on_error(
    native: bool, on_error: str, code: int, charged: list[int]
) -> None:
    cost = "'int(descriptors[0].tokens)'"
    made = host(native, f"max_value: 9, seconds: 60, cost: {cost}, on_error: {on_error}")
    assert made.should("ns", {"tokens": "many"}, hits=2).overall_code == code
    assert values(made) == charged
    assert [key[0] for key in made.service.decider.totals()].count("limit_errors") == 1


def test_cost_of_another_kind_is_a_failure(native: bool) -> None:
    made = host(native, "max_value: 9, seconds: 60, on_error: refuse, cost: dyn('a')")
    assert made.should("ns", {}).overall_code == OVER_LIMIT


def test_count_refused_charges_what_is_refused(native: bool) -> None:
    made = host(
        native,
        "max_value: 2, seconds: 60, count_refused: true",
        "max_value: 1, seconds: 30",
    )
    assert codes([made.should("ns", {}) for _ in range(4)]) == [OK, *[OVER_LIMIT] * 3]
    assert sorted(values(made)) == [1, 4]


def test_headers_can_be_kept_from_clients(native: bool) -> None:
    made = host(
        native,
        "max_value: 5, seconds: 60, name: told",
        "max_value: 1, seconds: 30, name: hidden, headers: false",
    )
    answer = made.should("ns", {})
    assert headers(answer)["X-RateLimit-Limit"] == '5, 5;w=60;name="told"'
    assert answer.statuses[0].current_limit.name == "told"
    refused = made.should("ns", {})
    assert refused.overall_code == OVER_LIMIT
    assert refused.statuses[0].code == OVER_LIMIT
    assert refused.statuses[0].current_limit.name == "told"
    assert ("limited_calls", "ns", "hidden") in made.service.decider.totals()


def test_window_of_milliseconds_ends(native: bool) -> None:
    made = host(native, "max_value: 1, window: 250ms")
    assert codes([made.should("ns", {}) for _ in range(2)]) == [OK, OVER_LIMIT]
    made.advance(0.25)
    assert made.should("ns", {}).overall_code == OK


def test_window_in_words_is_the_limit_in_seconds(native: bool) -> None:
    made = host(native, "max_value: 1, seconds: 120")
    made.should("ns", {})
    made.load(f"- {{namespace: ns, {REST}, max_value: 1, window: 2m}}")
    assert made.should("ns", {}).overall_code == OVER_LIMIT


@pytest.mark.parametrize(
    ("fields", "default", "fail"),
    [
        ("max_value: 1", Fail.CLOSED, Fail.CLOSED),
        ("max_value: 1", Fail.ERROR, Fail.ERROR),
        ("max_value: 1, fail: open", Fail.ERROR, Fail.OPEN),
        ("max_value: 1, fail: local", Fail.ERROR, Fail.LOCAL),
        ("max_value: 1, shadow: true", Fail.ERROR, Fail.OPEN),
        ("max_value: 1, shadow: true, fail: closed", Fail.CLOSED, Fail.OPEN),
        ("max_value: 1, shadow: true", Fail.LOCAL, Fail.LOCAL),
        ("unlimited: true", Fail.CLOSED, Fail.OPEN),
    ],
)
def test_fail_is_the_limits_own_or_the_default(fields: str, default: Fail, fail: Fail) -> None:
    text = f"- {{namespace: ns, {REST}, seconds: 1, {fields}}}"
    (limit,) = parse(text, "f.yaml", default).limits
    assert limit.fail is fail
    assert limit.spec().fail is fail
