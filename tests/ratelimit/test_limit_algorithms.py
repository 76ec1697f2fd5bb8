"""Each algorithm as a limits file asks for it, in both lanes."""

import pytest

from tests.ratelimit.host import LANES, OK, OVER_LIMIT, SECOND_NS, Host, codes, request

REST = "conditions: [], variables: []"


@pytest.fixture(params=LANES)
def native(request: pytest.FixtureRequest) -> bool:
    return bool(request.param == "native")


def host(native: bool, *limits: str) -> Host:
    """limits: fields of a limit without its namespace, conditions and variables."""
    made = Host(native=native)
    made.load("".join(f"- {{namespace: ns, {REST}, {fields}}}\n" for fields in limits))
    return made


def test_concurrency_takes_slots_and_reports_free_them(native: bool) -> None:
    made = host(native, "max_value: 2, algorithm: concurrency, lease: 1m")
    assert codes([made.should("ns", {}) for _ in range(3)]) == [OK, OK, OVER_LIMIT]
    made.report("ns", {})
    assert codes([made.should("ns", {}) for _ in range(2)]) == [OK, OVER_LIMIT]
    made.advance(62)
    assert codes([made.should("ns", {}, hits=2), made.should("ns", {})]) == [OK, OVER_LIMIT]


def test_reported_hits_free_as_many_slots(native: bool) -> None:
    made = host(native, "max_value: 5, algorithm: concurrency, lease: 1m")
    made.should("ns", {}, hits=5)
    made.report("ns", {}, hits=3)
    assert made.should("ns", {}, hits=4).overall_code == OVER_LIMIT
    assert made.should("ns", {}, hits=3).overall_code == OK


@pytest.mark.parametrize(
    ("fields", "passing"),
    [
        ("algorithm: aligned_window, window: 10s, max_value: 3", 3),
        ("algorithm: sliding_window, seconds: 10, max_value: 3", 3),
        ("algorithm: calendar_window, period: day, time_zone: Europe/Berlin, max_value: 3", 3),
        ("algorithm: token_bucket, window: 10s, max_value: 3, burst: 5", 5),
        ("algorithm: concurrency, lease: 10s, max_value: 3", 3),
    ],
)
def test_every_algorithm_is_decided_without_the_full_lane(
    native: bool, fields: str, passing: int
) -> None:
    made = host(native, fields)
    answers = [made.should("ns", {}) for _ in range(passing + 1)]
    assert codes(answers) == [*[OK] * passing, OVER_LIMIT]
    assert set(made.outcomes) <= {"answer"}


def test_algorithms_are_charged_together_or_not_at_all(native: bool) -> None:
    made = host(
        native,
        "algorithm: sliding_window, seconds: 10, max_value: 9",
        "algorithm: token_bucket, window: 10s, max_value: 9",
        "algorithm: concurrency, lease: 10s, max_value: 2",
        "seconds: 10, max_value: 9",
    )
    assert codes([made.should("ns", {}) for _ in range(4)]) == [OK, OK, OVER_LIMIT, OVER_LIMIT]
    assert [counter.value for counter in made.listed()] == [2, 2, 2, 2]


def test_negative_hits_of_a_request_free_slots(native: bool) -> None:
    made = host(native, "max_value: 3, algorithm: concurrency, lease: 1m, cost: hits")
    made.should("ns", {}, hits=3)
    done = request("ns", {})
    done.descriptors[0].hits_addend.value = 2
    done.descriptors[0].MergeFromString(b"\x20\x01")  # is_negative_hits
    assert made.call("ShouldRateLimit", done).overall_code == OK
    assert codes([made.should("ns", {}, hits=2), made.should("ns", {})]) == [OK, OVER_LIMIT]


def test_tokens_flow_back_while_time_passes(native: bool) -> None:
    made = host(native, "algorithm: token_bucket, window: 10s, max_value: 10, burst: 2")
    assert codes([made.should("ns", {}) for _ in range(3)]) == [OK, OK, OVER_LIMIT]
    made.advance(1)
    assert codes([made.should("ns", {}) for _ in range(2)]) == [OK, OVER_LIMIT]


def test_check_takes_no_slot(native: bool) -> None:
    made = host(native, "max_value: 1, algorithm: concurrency, lease: 1m")
    assert codes([made.check("ns", {}) for _ in range(3)]) == [OK, OK, OK]
    made.should("ns", {})
    assert made.check("ns", {}).overall_code == OVER_LIMIT


@pytest.mark.parametrize(
    "window", ["algorithm: aligned_window, window: 1h", "algorithm: calendar_window, period: hour"]
)
def test_windows_of_the_clock_end_with_the_hour(native: bool, window: str) -> None:
    made = host(native, f"{window}, max_value: 1")
    into_hour = made.clock().wall_ns // SECOND_NS % 3600
    assert codes([made.should("ns", {}) for _ in range(2)]) == [OK, OVER_LIMIT]
    made.advance(3599 - into_hour)
    assert made.should("ns", {}).overall_code == OVER_LIMIT
    made.advance(1)
    assert made.should("ns", {}).overall_code == OK
