"""The counter table: one decision, many counters in a decision, a table at its bound."""

from itertools import count

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from _fastpath.counters import CounterTable, Hit, Mode

HOUR_NS = 3600 * 10**9
UNLIMITED = 2**63


def hit(value: str, limit: bytes = b"l" * 16) -> Hit:
    return Hit(limit, HOUR_NS, UNLIMITED, (value,), 1)


@pytest.mark.parametrize("counters", [1, 4, 16])
def bench_decision(benchmark: BenchmarkFixture, counters: int) -> None:
    table = CounterTable()
    hits = [hit("user-0", bytes([n]) * 16) for n in range(counters)]
    benchmark(table.check_and_add, hits, 1, Mode.CHECK_AND_ADD)


@pytest.mark.parametrize("size", [1_000, 300_000])
def bench_decision_in_a_table_of(benchmark: BenchmarkFixture, size: int) -> None:
    table = CounterTable()
    hits = [[hit(f"user-{n}")] for n in range(size)]
    for each in hits:
        table.check_and_add(each, 1, Mode.CHECK_AND_ADD)
    turn = count()
    benchmark(lambda: table.check_and_add(hits[next(turn) * 7919 % size], 1, Mode.CHECK_AND_ADD))


def bench_new_counter(benchmark: BenchmarkFixture) -> None:
    table = CounterTable(10**7)
    turn = count()
    benchmark(lambda: table.check_and_add([hit(str(next(turn)))], 1, Mode.CHECK_AND_ADD))


def bench_new_counter_at_the_bound(benchmark: BenchmarkFixture) -> None:
    table = CounterTable(10_000)
    turn = count()
    benchmark(lambda: table.check_and_add([hit(str(next(turn)))], 1, Mode.CHECK_AND_ADD))
