"""Threads on shared counters: exactly as many hits pass as fit, whatever the algorithm."""

import threading
from collections.abc import Callable

import pytest

from _fastpath.calendar import Calendar, Period
from _fastpath.clock import Clock
from _fastpath.counters import CounterTable, Hit, Mode
from _fastpath.limit_spec import Algorithm, Quota

HOUR_NS = 3600 * 10**9
THREADS, TURNS, MOST = 4, 500, 300
# Midday, so that no calendar window ends while the test runs.
START = Clock(10**12, 1_790_000_000 * 10**9 // (24 * HOUR_NS) * 24 * HOUR_NS + 12 * HOUR_NS)


def quota(algorithm: Algorithm) -> Quota:
    calendar = Calendar(Period.DAY) if algorithm is Algorithm.CALENDAR_WINDOW else None
    return Quota(algorithm, MOST, 20 * HOUR_NS, calendar=calendar)


def on_threads(work: Callable[[int], None]) -> None:
    threads = [threading.Thread(target=work, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.mark.parametrize("algorithm", Algorithm)
def test_exactly_the_limit_passes(algorithm: Algorithm) -> None:
    table = CounterTable()
    shared = Hit(b"s" * 16, quota(algorithm), (), 1)
    passed = [0] * THREADS

    def hammer(number: int) -> None:
        own = Hit(b"o" * 16, quota(algorithm)._replace(max_value=10_000), (str(number),), 1)
        for turn in range(TURNS):
            # Clocks that were read before another thread took its lock.
            clock = Clock(START.mono_ns + turn, START.wall_ns + turn)
            verdicts = table.check_and_add([shared, own], clock, Mode.CHECK_AND_ADD)
            passed[number] += all(verdict.fits for verdict in verdicts)

    on_threads(hammer)
    assert sum(passed) == MOST
    found = {}
    cursor = 0
    while True:
        cursor, counters = table.list(None, START, cursor)
        found |= {counter.values: counter.value for counter in counters}
        if not cursor:
            break
    assert found.pop(()) == MOST
    assert sum(found.values()) == MOST


def test_slots_given_back_are_taken_again() -> None:
    table = CounterTable()
    take = Hit(b"s" * 16, quota(Algorithm.CONCURRENCY)._replace(max_value=2), (), 1)
    in_use, most = [0], [0]
    lock = threading.Lock()

    def hammer(number: int) -> None:
        for _ in range(TURNS):
            if table.check_and_add([take], START, Mode.CHECK_AND_ADD)[0].fits:
                with lock:
                    in_use[0] += 1
                    most[0] = max(most[0], in_use[0])
                with lock:
                    in_use[0] -= 1
                table.check_and_add([take._replace(delta=-1)], START, Mode.CHECK_AND_ADD)

    on_threads(hammer)
    assert 1 <= most[0] <= 2
    assert table.check_and_add([take], START, Mode.CHECK)[0].remaining == 2


def test_saving_beside_traffic_loses_no_hit() -> None:
    table, rows = CounterTable(), {}
    done = threading.Event()

    def keep() -> None:
        cursor = 0
        while True:
            cursor, records = table.changed(START, cursor, 100)
            rows.update({record.key: record for record in records})
            if not cursor:
                return

    def keeper() -> None:
        while not done.is_set():
            keep()

    def hammer(number: int) -> None:
        for turn in range(TURNS):
            hit = Hit(b"s" * 16, quota(Algorithm.FIXED_WINDOW), (str(turn % 50),), 1)
            table.check_and_add([hit], START, Mode.ADD)

    aside = threading.Thread(target=keeper)
    aside.start()
    on_threads(hammer)
    done.set()
    aside.join()
    keep()
    restored = CounterTable()
    assert restored.restore(rows.values(), START) == 50
    values = []
    cursor = 0
    while True:
        cursor, counters = restored.list(None, START, cursor)
        values += [counter.value for counter in counters]
        if not cursor:
            break
    assert values == [THREADS * TURNS // 50] * 50
