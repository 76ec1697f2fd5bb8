"""Failed authentications by source and by credential, counted in a sliding window."""

import pytest

from _fastpath.clock import Clock
from _fastpath.counters import CounterTable
from _fastpath.throttle import Suspects, Throttle

SECOND = 10**9
WINDOW = 60 * SECOND


def throttle(**bounds: int) -> Throttle:
    return Throttle(CounterTable(1000), window_ns=WINDOW, **bounds)


def at(seconds: float) -> Clock:
    return Clock(int((1000 + seconds) * SECOND), 0)


def by(source: str, *credentials: bytes, place: str = "shop/toys") -> Suspects:
    return Suspects(place, source, credentials)


def fail(made: Throttle, suspects: Suspects, times: int) -> None:
    for _ in range(times):
        made.failed(suspects, at(0))


def test_source_waits_after_its_failures_and_only_for_a_time() -> None:
    made = throttle(per_source=3)
    fail(made, by("1.2.3.4", b"guess"), 2)
    assert made.blocked(by("1.2.3.4", b"other"), at(0)) is None
    fail(made, by("1.2.3.4", b"guess"), 1)
    blocked = made.blocked(by("1.2.3.4", b"other"), at(1))
    assert blocked is not None
    assert blocked[0] == "source"
    assert 1 <= blocked[1] <= 120
    assert made.blocked(by("5.6.7.8", b"guess"), at(1)) is None
    assert made.blocked(by("1.2.3.4", b"other"), at(121)) is None


def test_wait_is_as_long_as_told() -> None:
    made = throttle(per_source=3)
    fail(made, by("1.2.3.4", b"guess"), 3)
    blocked = made.blocked(by("1.2.3.4", b"x"), at(10))
    assert blocked is not None
    assert made.blocked(by("1.2.3.4", b"x"), at(10 + blocked[1])) is None


def test_credential_waits_wherever_it_is_tried_from() -> None:
    made = throttle(per_credential=2)
    fail(made, by("1.2.3.4", b"id"), 1)
    fail(made, by("5.6.7.8", b"id"), 1)
    assert made.blocked(by("9.9.9.9", b"other", b"id"), at(0)) is not None
    assert made.blocked(by("1.2.3.4", b"other"), at(0)) is None


def test_request_that_tries_nothing_neither_counts_nor_waits() -> None:
    made = throttle(per_source=1)
    fail(made, by("1.2.3.4"), 5)
    assert made.blocked(by("1.2.3.4", b"x"), at(0)) is None
    fail(made, by("1.2.3.4", b"x"), 1)
    assert made.blocked(by("1.2.3.4"), at(0)) is None


def test_every_authconfig_counts_for_itself() -> None:
    made = throttle(per_source=1)
    fail(made, by("1.2.3.4", b"x"), 1)
    assert made.blocked(by("1.2.3.4", b"x", place="shop/other"), at(0)) is None


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8::1", "2001:db8::ffff:1:2:3", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:1.2.3.4", "1.2.3.4", True),
        ("1.2.3.4", "1.2.3.5", False),
        ("a pipe or a name", "a pipe or a name", True),
        ("x" * 100, "x" * 101, False),
    ],
)
def test_source_is_a_network(one: str, other: str, same: bool) -> None:
    made = throttle(per_source=1)
    fail(made, by(one, b"x"), 1)
    assert (made.blocked(by(other, b"x"), at(0)) is not None) == same


def test_unknown_source_and_unset_bounds_count_nothing() -> None:
    for made in (throttle(per_source=1), throttle()):
        fail(made, by("", b"x"), 9)
        assert made.blocked(by("", b"x"), at(0)) is None


def test_table_stays_within_its_bound() -> None:
    table = CounterTable(100)
    made = Throttle(table, per_source=1, window_ns=WINDOW)
    for n in range(1000):
        made.failed(by(f"10.0.{n // 256}.{n % 256}", b"x"), at(0))
    assert len(table) <= 100


def test_window_has_to_be_positive() -> None:
    with pytest.raises(ValueError, match="longer"):
        Throttle(CounterTable(1), window_ns=0)
