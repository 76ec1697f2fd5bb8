"""The counter table at its edges: bounds, growth, listing under change, memory, bad input."""

import threading
from collections import Counter as Tally

import pytest

from _fastpath.clock import Clock
from _fastpath.counters import Counter, CounterTable, Hit, Mode, SavedCounter, Verdict
from tests.fastpath.quotas import WALL_NS, at, fixed

LIMIT = b"l" * 16
OTHER = b"o" * 16
SECOND = 10**9
NEVER = 2**63 - 1


def one(value: str, *, limit: bytes = LIMIT, window_ns: int = SECOND, delta: int = 1) -> list[Hit]:
    return [Hit(limit, fixed(10, window_ns), (value,), delta)]


def listed(table: CounterTable, now: int, count: int = 1000) -> list[Counter]:
    """All slices of the listing; even a nearly empty table may take several."""
    seen: list[Counter] = []
    cursor = 0
    while True:
        cursor, counters = table.list(None, at(now), cursor, count)
        seen += counters
        if not cursor:
            return seen


def saved(table: CounterTable, clock: Clock, count: int = 1000) -> list[SavedCounter]:
    """All slices of what changed."""
    seen: list[SavedCounter] = []
    cursor = 0
    while True:
        cursor, records = table.changed(clock, cursor, count)
        seen += records
        if not cursor:
            return seen


def whole_list(table: CounterTable, now: int, count: int = 1000) -> list[tuple[str, ...]]:
    return [counter.values for counter in listed(table, now, count)]


def test_window_opened_by_first_hit_ends_at_its_expiry() -> None:
    table = CounterTable()
    hit = [Hit(LIMIT, fixed(2, 60 * SECOND), (), 1)]
    assert table.check_and_add(hit, at(0), Mode.CHECK_AND_ADD) == [Verdict(True, 1, 60 * SECOND, 0)]
    assert table.check_and_add(hit, at(50 * SECOND), Mode.CHECK_AND_ADD) == [
        Verdict(True, 0, 10 * SECOND, 0)
    ]
    assert not table.check_and_add(hit, at(60 * SECOND - 1), Mode.CHECK_AND_ADD)[0].fits
    assert table.check_and_add(hit, at(60 * SECOND), Mode.CHECK_AND_ADD) == [
        Verdict(True, 1, 60 * SECOND, 0)
    ]


def test_refused_decision_charges_nothing_anywhere() -> None:
    table = CounterTable()
    wide, narrow = Hit(LIMIT, fixed(10, SECOND), (), 1), Hit(OTHER, fixed(0, SECOND), ("u",), 1)
    assert [v.fits for v in table.check_and_add([wide, narrow], at(0), Mode.CHECK_AND_ADD)] == [
        True,
        False,
    ]
    assert len(table) == 0


def test_add_past_the_limit_leaves_nothing_remaining() -> None:
    table = CounterTable()
    assert table.check_and_add([Hit(LIMIT, fixed(5, SECOND), (), 20)], at(0), Mode.ADD) == [
        Verdict(False, 0, SECOND, NEVER)
    ]
    assert listed(table, 0)[0].value == 20


def test_give_back_stops_at_zero_and_opens_no_window() -> None:
    table = CounterTable()
    table.check_and_add(one("a", delta=-3), at(0), Mode.CHECK_AND_ADD)
    assert len(table) == 0
    table.check_and_add(one("a", delta=2), at(0), Mode.CHECK_AND_ADD)
    assert table.check_and_add(one("a", delta=-5), at(1), Mode.CHECK_AND_ADD) == [
        Verdict(True, 10, SECOND - 1, 0)
    ]


def test_full_table_evicts_what_expires_first() -> None:
    table = CounterTable(8)
    for number in range(8):
        table.check_and_add(one(str(number), window_ns=SECOND + number), at(0), Mode.CHECK_AND_ADD)
    table.check_and_add(one("new", window_ns=1), at(0), Mode.CHECK_AND_ADD)
    assert sorted(whole_list(table, 0)) == sorted([(str(n),) for n in range(1, 8)] + [("new",)])
    assert table.stats().evicted == 1


def test_full_table_reclaims_expired_before_live() -> None:
    table = CounterTable(8)
    for number in range(8):
        table.check_and_add(one(str(number), window_ns=10 if number == 5 else 20), at(0), Mode.ADD)
    table.check_and_add(one("new"), at(10), Mode.CHECK_AND_ADD)
    assert table.stats().evicted == 0
    assert len(whole_list(table, 10)) == 8


def test_decision_larger_than_the_table_fails_uncharged() -> None:
    table = CounterTable(2)
    hits = [Hit(LIMIT, fixed(10, SECOND), (str(n),), 1) for n in range(3)]
    with pytest.raises(MemoryError):
        table.check_and_add(hits, at(0), Mode.CHECK_AND_ADD)
    assert len(table) == 0


@pytest.mark.parametrize("bound", [1, 100, 5000])
def test_flood_of_keys_stays_within_the_bound(bound: int) -> None:
    table = CounterTable(bound)
    for number in range(3 * bound):
        table.check_and_add(one(str(number)), at(0), Mode.CHECK_AND_ADD)
        assert len(table) <= bound
    stats = table.stats()
    assert stats.size == bound
    assert stats.evicted == 2 * bound


def test_newest_key_is_counted_even_when_its_window_is_the_shortest() -> None:
    table = CounterTable(4)
    for number in range(4):
        table.check_and_add(one(str(number), window_ns=1000), at(0), Mode.ADD)
    hit = [Hit(OTHER, fixed(1, 1), (), 1)]
    assert [table.check_and_add(hit, at(0), Mode.CHECK_AND_ADD)[0].fits for _ in range(3)] == [
        True,
        False,
        False,
    ]


def test_live_counter_costs_at_most_150_bytes_over_its_key() -> None:
    table = CounterTable()
    keys = [f"user-{number:06d}" for number in range(20_000)]
    empty = table.stats().bytes
    for key in keys:
        table.check_and_add(one(key), at(0), Mode.CHECK_AND_ADD)
    assert (table.stats().bytes - empty) / len(keys) - len(keys[0]) <= 150


def test_expired_counters_leave_with_sweeping_and_give_memory_back() -> None:
    table = CounterTable()
    empty = table.stats().bytes
    for number in range(20_000):
        table.check_and_add(one(str(number)), at(0), Mode.CHECK_AND_ADD)
    freed = sum(table.sweep(at(SECOND)) for _ in range(10))
    assert freed == 20_000 == table.stats().reclaimed
    for _ in range(20):
        table.sweep(at(SECOND))
    assert table.stats().bytes <= empty + 64 * 1024


def test_traffic_alone_reclaims_expired_counters() -> None:
    table = CounterTable()
    for number in range(10_000):
        table.check_and_add(one(str(number)), at(0), Mode.CHECK_AND_ADD)
    for number in range(10_000):
        table.check_and_add(one(f"later-{number}"), at(SECOND), Mode.CHECK_AND_ADD)
    assert len(table) < 12_000


def test_listing_while_the_table_grows_and_shrinks_meets_stayers_once() -> None:
    table = CounterTable()
    stay = {(f"stay-{number}",) for number in range(500)}
    for (value,) in stay:
        table.check_and_add(one(value, window_ns=10 * SECOND), at(0), Mode.CHECK_AND_ADD)
    seen: Tally[tuple[str, ...]] = Tally()
    cursor, step = 0, 0
    while True:
        cursor, counters = table.list(None, at(0), cursor, 20)
        seen.update(counter.values for counter in counters)
        if not cursor:
            break
        step += 1
        if step < 20:
            for number in range(200):
                table.check_and_add(one(f"{step}-{number}"), at(0), Mode.CHECK_AND_ADD)
        else:
            table.sweep(at(SECOND))
    assert {value: seen[value] for value in stay} == dict.fromkeys(stay, 1)
    assert max(seen.values()) == 1


def test_exactly_the_limit_passes_under_threads() -> None:
    table = CounterTable()
    shared = Hit(LIMIT, fixed(1000, 60 * SECOND), (), 1)
    passed = []

    def hammer(name: str) -> None:
        own = Hit(OTHER, fixed(10_000, 60 * SECOND), (name,), 1)
        passed.append(
            sum(
                all(v.fits for v in table.check_and_add([shared, own], at(0), Mode.CHECK_AND_ADD))
                for _ in range(1000)
            )
        )

    threads = [threading.Thread(target=hammer, args=(str(n),)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(passed) == 1000
    own_total = sum(c.value for c in listed(table, 0) if c.limit_digest == OTHER)
    assert own_total == 1000


@pytest.mark.parametrize(
    "hit",
    [
        Hit(b"short", fixed(1, 1), (), 1),
        Hit(LIMIT, fixed(1, -1), (), 1),
        Hit(LIMIT, fixed(-1, 1), (), 1),
        Hit(LIMIT, fixed(2**64, 1), (), 1),
        Hit(LIMIT, fixed(1, 1), (), 2**64),
        Hit(LIMIT, fixed(1, 1), (), -(2**63)),
        Hit(LIMIT, fixed(1, 1), ("\ud800",), 1),
    ],
)
def test_hit_out_of_range_is_refused(hit: Hit) -> None:
    table = CounterTable()
    with pytest.raises(ValueError):
        table.check_and_add([hit], at(0), Mode.ADD)
    assert len(table) == 0


def test_long_values_are_shortened_but_stay_apart() -> None:
    table = CounterTable()
    first, second = "\u00e9" * 5000 + "a", "\u00e9" * 5000 + "b"
    for value in (first, second, first):
        table.check_and_add(one(value), at(0), Mode.CHECK_AND_ADD)
    values = {counter.values[0]: counter.value for counter in listed(table, 0)}
    assert sorted(values.values()) == [1, 2]
    assert all(value.startswith("\u00e9" * 480 + "#") and len(value) == 513 for value in values)
    assert table.reset(LIMIT, (first,))


def test_decision_without_counters_says_nothing() -> None:
    assert CounterTable().check_and_add([], at(0), Mode.CHECK_AND_ADD) == []


def test_counter_named_twice_is_refused() -> None:
    with pytest.raises(ValueError):
        CounterTable().check_and_add(one("a") + one("a"), at(0), Mode.ADD)


def test_table_of_no_counters_is_refused() -> None:
    with pytest.raises(ValueError):
        CounterTable(0)


def test_saved_counters_come_back_in_another_table() -> None:
    table, other = CounterTable(), CounterTable()
    for number in range(100):
        table.check_and_add(one(str(number)), at(0), Mode.CHECK_AND_ADD)
    records = saved(table, at(1))
    assert len(records) == 100
    assert saved(table, at(2)) == []
    assert records[0].key[:16] == LIMIT
    assert {r.expires_wall_ns for r in records} == {WALL_NS + SECOND}
    later = Clock(7, WALL_NS + 500)
    assert other.restore(records, later) == 100
    assert other.restore(records, later) == 0
    assert {(c.value, c.reset_ns) for c in listed(other, 7)} == {(1, SECOND - 500)}
    assert saved(other, later) == []
    assert CounterTable().restore(records, Clock(7, WALL_NS + SECOND)) == 0
