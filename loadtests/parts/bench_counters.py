"""The counter table: one decision, many counters in a decision, a table at its bound."""

from itertools import count

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from _fastpath.clock import Clock
from _fastpath.counters import CounterTable, Hit, Mode
from _fastpath.limit_spec import Algorithm, Quota

HOUR_NS = 3600 * 10**9
UNLIMITED = 2**63
QUOTA = Quota(Algorithm.FIXED_WINDOW, UNLIMITED, HOUR_NS)
NOW = Clock(1, 1)


def hit(value: str, limit: bytes = b"l" * 16) -> Hit:
    return Hit(limit, QUOTA, (value,), 1)


@pytest.mark.parametrize("counters", [1, 3, 10])
def bench_decision(benchmark: BenchmarkFixture, counters: int) -> None:
    table = CounterTable()
    hits = [hit("user-0", bytes([n]) * 16) for n in range(counters)]
    benchmark(table.check_and_add, hits, NOW, Mode.CHECK_AND_ADD)


@pytest.mark.parametrize("size", [1_000, 300_000])
def bench_decision_in_a_table_of(benchmark: BenchmarkFixture, size: int) -> None:
    table = CounterTable()
    hits = [[hit(f"user-{n}")] for n in range(size)]
    for each in hits:
        table.check_and_add(each, NOW, Mode.CHECK_AND_ADD)
    turn = count()
    benchmark(lambda: table.check_and_add(hits[next(turn) * 7919 % size], NOW, Mode.CHECK_AND_ADD))


def bench_new_counter(benchmark: BenchmarkFixture) -> None:
    table = CounterTable(10**7)
    turn = count()
    benchmark(lambda: table.check_and_add([hit(str(next(turn)))], NOW, Mode.CHECK_AND_ADD))


def bench_new_counter_at_the_bound(benchmark: BenchmarkFixture) -> None:
    table = CounterTable(10_000)
    turn = count()
    benchmark(lambda: table.check_and_add([hit(str(next(turn)))], NOW, Mode.CHECK_AND_ADD))
