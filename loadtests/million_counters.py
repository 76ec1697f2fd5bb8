"""What many live counters cost: memory, decisions, sweeping; and many counters in one decision.

    python -m loadtests.million_counters [--counters 1000000] [--write docs/benchmarks.md]

Decisions a second and those in process are whole ones of the native lane, from the bytes of a
request to those of the answer, called from Python; a server's are driven by h2load. All times are
CPU time, so that others on the machine matter less; what is compared takes turns, round by round,
and figures are medians over the rounds.
"""

import argparse
import gc
import os
import random
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from envoy.service.ratelimit.v3 import rls_pb2

from _fastpath.cells import Series
from _fastpath.clock import Clock
from _fastpath.counters import CounterTable, Hit, Mode
from _fastpath.header_spec import NO_HEADERS
from _fastpath.limit_index import limit_index, limit_set
from _fastpath.limit_spec import Algorithm, LimitSpec, Quota
from _fastpath.plan import Plans
from _fastpath.program import NativeProgram, ProgramBuilder
from _fastpath.rls import RateLimitDecider
from loadtests.bench import Shape, measure
from loadtests.contenders import UNLIMITED, Contender, rate_limit_request
from loadtests.page import write_part
from loadtests.paths import RLS

HOUR_NS = 3600 * 10**9
ROUNDS, ROUND_SECONDS, SERVED_ROUNDS = 15, 0.2, 7
SEVERAL = (1, 3, 10)
FEW = 1000
BUCKETS = 256  # as in tollhouse.housekeeping
SAMPLES, SWEEPS = 300_000, 5_000


def variable(key: str) -> NativeProgram:
    """`descriptors[0].key`."""
    builder = ProgramBuilder()
    first = builder.node("index", builder.node("root", slot=0), builder.constant(0))
    builder.node("select", first, text=key)
    return builder.finish()


class Subject:
    """A decider whose requests meet `limits` limits, each counted per user."""

    def __init__(self, users: int, limits: int = 1) -> None:
        self.table = CounterTable(2 * users * limits + 100_000)
        series, plans = Series(1), Plans(1)
        specs = [
            LimitSpec(
                number.to_bytes(16, "big"),
                Quota(Algorithm.FIXED_WINDOW, UNLIMITED, HOUR_NS),
                variables=(variable("user"),),
            )
            for number in range(limits)
        ]
        plans.publish(limit_index({"bench": limit_set("bench", specs, series)}), None)
        self.decider = RateLimitDecider(
            plans, self.table, series, headers=NO_HEADERS, statuses=False
        )
        for user in range(users):
            self.decider.should_rate_limit(request(user), 1, 1)
        self.requests = [request(random.randrange(users)) for _ in range(50_000)]

    def rate(self, seconds: float) -> float:
        """Decisions in a second of CPU time."""
        decide, requests = self.decider.should_rate_limit, self.requests
        done, begin = 0, time.thread_time()
        while (passed := time.thread_time() - begin) < seconds:
            at = done % len(requests)
            for each in requests[at : at + 1000]:
                decide(each, 1, 1)
            done += 1000
        return done / passed


def request(user: int) -> bytes:
    message = rls_pb2.RateLimitRequest(domain="bench")
    message.descriptors.add().entries.add(key="user", value=f"user-{user:07d}")
    return bytes(message.SerializeToString(deterministic=True))


def rates(subjects: Sequence[Subject]) -> list[float]:
    taken = [[subject.rate(ROUND_SECONDS) for subject in subjects] for _ in range(ROUNDS)]
    return [statistics.median(column) for column in zip(*taken, strict=True)]


def served_costs() -> list[float]:
    """CPU microseconds of a server on one thread per answered request, 4 connections × 32."""
    contenders = [
        Contender(f"{met}", "tollhouse", RLS, rate_limit_request(), b"", limits=met, met=met)
        for met in SEVERAL
    ]
    samples = measure(contenders, Shape(4, 32, 1), SERVED_ROUNDS, 1.0)
    return [statistics.median(sample.cpu_us for sample in each) for each in samples.values()]


def memory(counters: int, algorithm: Algorithm) -> float:
    """Heap bytes per counter over its value of 12 bytes."""
    table = CounterTable(2 * counters)
    empty = table.stats().bytes
    quota = Quota(algorithm, 10, HOUR_NS)
    for user in range(counters):
        hit = Hit(b"l" * 16, quota, (f"user-{user:07d}",), 1)
        table.check_and_add([hit], Clock(1, 1), Mode.CHECK_AND_ADD)
    return (table.stats().bytes - empty) / counters - 12


def costs(work: Callable[[int], object], count: int) -> list[int]:
    """CPU nanoseconds of each of `count` turns, ascending."""
    taken = []
    for number in range(count):
        begin = time.thread_time_ns()
        work(number)
        taken.append(time.thread_time_ns() - begin)
    return sorted(taken)


def row(what: str, taken: list[int], share: int = 1) -> str:
    parts = (taken[len(taken) // 2], taken[len(taken) * 999 // 1000], taken[-1])
    return f"| {what} | " + " | ".join(f"{part / share / 1000:,.1f}" for part in parts) + " |"


def filled(counters: int) -> CounterTable:
    """Counters that expire evenly over the second hour."""
    table = CounterTable(4 * counters)
    quota = Quota(Algorithm.FIXED_WINDOW, 10, HOUR_NS)
    for user in range(counters):
        hit = Hit(b"l" * 16, quota, (f"user-{user:07d}",), 1)
        table.check_and_add([hit], Clock(random.randrange(HOUR_NS), 1), Mode.ADD)
    return table


def sweeping(counters: int) -> list[str]:
    quota = Quota(Algorithm.FIXED_WINDOW, 10, HOUR_NS)
    own = [[Hit(b"o" * 16, quota, (f"own-{n:07d}",), 1)] for n in range(SAMPLES)]
    table = filled(counters)

    def at(number: int, of: int) -> Clock:
        return Clock(HOUR_NS + HOUR_NS * number // of, 1)

    def decide(number: int) -> None:
        table.check_and_add(own[number % FEW], Clock(1, 1), Mode.ADD)

    def create(number: int) -> None:
        table.check_and_add(own[number], at(number, SAMPLES), Mode.ADD)

    live, new = costs(decide, SAMPLES), costs(create, SAMPLES)
    table = filled(counters)
    sweeps = costs(lambda number: table.sweep(at(number, SWEEPS), BUCKETS), SWEEPS)
    return [
        "| CPU time of | median µs | p99.9 µs | most µs |",
        "|---|---|---|---|",
        row("a decision on a counter that lives", live),
        row("a decision that makes a counter, while all others expire", new),
        row(f"one sweep of {BUCKETS} buckets in every shard, while all expire", sweeps),
        row("of it one shard, for which a decision may wait (a 64th)", sweeps, 64),
    ]


def report(counters: int) -> str:
    few, many = Subject(FEW), Subject(counters)
    few_rate, many_rate = rates([few, many])
    del few, many
    several = [Subject(FEW, limits) for limits in SEVERAL]
    alone = [1e6 / rate for rate in rates(several)]
    served = served_costs()
    lines = [
        f"{counters:,} live counters take {memory(counters, Algorithm.FIXED_WINDOW):.0f} bytes "
        f"each over their variable values ({memory(counters // 10, Algorithm.CONCURRENCY):.0f} of "
        "concurrency limits).",
        "",
        "| live counters | decisions per CPU second | of the first |",
        "|---|---|---|",
        f"| {FEW:,} | {few_rate:,.0f} | 100% |",
        f"| {counters:,} | {many_rate:,.0f} | {many_rate / few_rate:.0%} |",
        "",
        "| counters in one decision | server CPU µs per request | × one | µs in process | × one |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {limits} | {a:.2f} | {a / served[0]:.2f} | {b:.2f} | {b / alone[0]:.2f} |"
        for limits, a, b in zip(SEVERAL, served, alone, strict=True)
    ]
    lines += [
        "",
        "The server is asked for one user; in process "
        f"{FEW:,} users take turns at random, so that ten counters",
        "in a decision also mean ten times the memory touched.",
    ]
    return "\n".join([*lines, "", *sweeping(counters)])


def main(words: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--counters", type=int, default=1_000_000)
    parser.add_argument("--write", type=Path, metavar="FILE", help="put the tables into this page")
    options = parser.parse_args(words)
    gc.disable()
    random.seed(1)
    text = report(options.counters)
    print(text)
    if options.write:
        day = datetime.now(UTC).date().isoformat()
        how = f"python -m loadtests.million_counters --counters {options.counters}"
        told = f"Measured {day} on {os.cpu_count()} CPUs with `{how}` (`make bench-counters`)."
        write_part(options.write, f"## Counters in memory\n\n{told}\n\n{text}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
