"""Random sequences of operations on the counter table and on its model, compared step by step."""

from dataclasses import replace
from typing import ClassVar

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from _fastpath.calendar import Calendar, Period
from _fastpath.clock import Clock
from _fastpath.counters import CounterTable, Hit, Mode, SavedCounter, counter_key
from _fastpath.limit_spec import Algorithm, Quota
from tests.fastpath.counter_model import MOST, Account, CounterModel, Key

MS = 10**6
WALL_NS = 1_790_000_000 * 10**9
EVERYTHING = 10**6  # buckets, steps
# One limit per way of counting; what a limit's identity does not cover changes from hit to hit.
QUOTAS = {
    bytes([number]) * 16: quota
    for number, quota in enumerate(
        [
            Quota(Algorithm.FIXED_WINDOW, 0, 10 * MS),
            Quota(Algorithm.FIXED_WINDOW, 0, 0),
            Quota(Algorithm.ALIGNED_WINDOW, 0, 10 * MS),
            Quota(Algorithm.CALENDAR_WINDOW, 0, 60_000 * MS, calendar=Calendar(Period.MINUTE)),
            Quota(Algorithm.SLIDING_WINDOW, 0, 10 * MS),
            Quota(Algorithm.TOKEN_BUCKET, 0, 10 * MS),
            Quota(Algorithm.TOKEN_BUCKET, 0, 0),
            Quota(Algorithm.CONCURRENCY, 0, 10 * MS),
        ]
    )
}

texts = st.sampled_from(["", "a", "b", "ab", "x" * 300, "\u00e9", "\x00", "long" * 300])
values = st.one_of(
    st.just(()),
    st.tuples(texts),
    st.tuples(texts, texts),
    st.integers(0, 200).map(lambda n: (str(n),)),
)
small = st.integers(-3, 5)


@st.composite
def one_hit(draw: st.DrawFn, digests: list[bytes]) -> Hit:
    digest = draw(st.sampled_from(digests))
    quota = QUOTAS[digest]._replace(max_value=draw(st.integers(0, 12)))
    delta = draw(small)
    if quota.algorithm is Algorithm.TOKEN_BUCKET:
        quota = quota._replace(burst=draw(st.sampled_from([0, 0, 1, 5, 20])))
    elif draw(st.integers(0, 9)) == 0:
        quota = quota._replace(max_value=draw(st.sampled_from([MOST, MOST - 3])))
        delta = draw(st.sampled_from([MOST, MOST - 1, -(2**63) + 1]))
    value = draw(values)
    return Hit(digest, quota, value, delta, draw(st.booleans()), draw(st.booleans()))


def hits(digests: list[bytes]) -> st.SearchStrategy[list[Hit]]:
    return st.lists(
        one_hit(digests), max_size=5, unique_by=lambda hit: (hit.limit_digest, hit.values)
    )


class Comparison(RuleBasedStateMachine):
    """Every rule does the same to both; `rows` is what a keeper of saved counters has."""

    digests: ClassVar[list[bytes]] = list(QUOTAS)

    def __init__(self) -> None:
        super().__init__()
        self.table = CounterTable(100_000)
        self.model = CounterModel()
        self.clock = Clock(1, WALL_NS)
        self.rows: dict[bytes, tuple[SavedCounter, Key, Account, Clock]] = {}

    def forget(self) -> None:
        for _ in range(3):  # merging buckets may carry an entry past the sweep
            while self.table.sweep(self.clock, EVERYTHING):
                pass
        self.model.forget(self.clock)

    @rule(step=st.one_of(st.integers(0, 3 * MS), st.sampled_from([5 * MS, 10 * MS, 35 * MS])))
    def pass_time(self, step: int) -> None:
        self.clock = Clock(self.clock.mono_ns + step, self.clock.wall_ns + step)

    @rule(step=st.one_of(st.integers(-12, 12), st.sampled_from([-60_001, 60_000])))
    def set_the_wall_clock(self, step: int) -> None:
        # A window that both clocks had ended may come back with the clock, if it is still there.
        self.forget()
        self.clock = Clock(self.clock.mono_ns, self.clock.wall_ns + step * MS)

    @rule(data=st.data(), mode=st.sampled_from(Mode))
    def decide(self, data: st.DataObject, mode: Mode) -> None:
        some = data.draw(hits(self.digests))
        expected = self.model.check_and_add(some, self.clock, mode)
        assert self.table.check_and_add(some, self.clock, mode) == expected

    @rule(data=st.data(), start=st.integers(0, 10_000), count=st.integers(1, 100))
    def fill(self, data: st.DataObject, start: int, count: int) -> None:
        digest = data.draw(st.sampled_from(self.digests))
        for number in range(start, start + count):
            one = [Hit(digest, QUOTAS[digest]._replace(max_value=5), (str(number),), 1)]
            expected = self.model.check_and_add(one, self.clock, Mode.CHECK_AND_ADD)
            assert self.table.check_and_add(one, self.clock, Mode.CHECK_AND_ADD) == expected

    @rule(data=st.data(), value=st.integers(0, 20))
    def set_value(self, data: st.DataObject, value: int) -> None:
        hit = data.draw(one_hit(self.digests))._replace(delta=value)
        self.model.set(hit, self.clock)
        self.table.set(hit.limit_digest, hit.quota, hit.values, value, self.clock)
        if not value:
            self.rows.pop(counter_key(hit.limit_digest, hit.values), None)

    @rule(data=st.data(), value=values)
    def reset(self, data: st.DataObject, value: tuple[str, ...]) -> None:
        digest = data.draw(st.sampled_from(self.digests))
        self.forget()
        known = self.model.counters.pop((digest, value), None) is not None
        assert self.table.reset(digest, value) == known
        self.rows.pop(counter_key(digest, value), None)

    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        digests = data.draw(st.sets(st.sampled_from(self.digests), max_size=2))
        self.forget()
        gone = [key for key in self.model.counters if key[0] in digests]
        for key in gone:
            del self.model.counters[key]
        assert self.table.remove(digests) == len(gone)
        self.rows = {key: row for key, row in self.rows.items() if key[:16] not in digests}

    @rule(count=st.integers(1, 50))
    def save(self, count: int) -> None:
        keys = {counter_key(*key): key for key in self.model.counters}
        cursor = 0
        while True:
            cursor, records = self.table.changed(self.clock, cursor, count)
            for record in records:
                key = keys[record.key]
                account = replace(self.model.counters[key])
                self.rows[record.key] = record, key, account, self.clock
            if not cursor:
                return

    @rule(gap=st.integers(0, 15 * MS), mono_ns=st.integers(1, 10**15), count=st.integers(1, 50))
    def restart(self, gap: int, mono_ns: int, count: int) -> None:
        self.forget()
        self.save(count)
        self.clock = Clock(mono_ns, self.clock.wall_ns + gap)
        self.model = CounterModel()
        for _, key, account, saved in self.rows.values():
            self.model.counters[key] = replace(account)
            self.model.counters[key].restart(saved, self.clock)
        self.model.forget(self.clock)
        self.table = CounterTable(100_000)
        records = [row[0] for row in self.rows.values()]
        assert self.table.restore(records, self.clock) == len(self.model.counters)

    @rule(count=st.integers(1, 50), data=st.data())
    def listed(self, count: int, data: st.DataObject) -> None:
        digests = data.draw(st.none() | st.sets(st.sampled_from(self.digests)))
        expected = {
            key: counter
            for key, counter in self.model.listed(self.clock).items()
            if digests is None or key[0] in digests
        }
        seen = []
        cursor = 0
        while True:
            cursor, counters = self.table.list(digests, self.clock, cursor, count)
            seen += counters
            if not cursor:
                break
        assert len(seen) == len(expected)
        shown = {
            (digest, tuple(text if len(text) < 600 else "long" * 300 for text in texts)): rest
            for digest, texts, *rest in seen
        }
        assert {key: tuple(rest) for key, rest in shown.items()} == expected

    @invariant()
    def holds_every_live_counter(self) -> None:
        assert len(self.table) == self.table.stats().size >= len(self.model.live(self.clock))


def settled(examples: int) -> settings:
    # Shrinking a run of stateful steps takes minutes.
    phases = [phase for phase in Phase if phase is not Phase.shrink]
    return settings(max_examples=examples, stateful_step_count=40, deadline=None, phases=phases)


TestAllAlgorithms = Comparison.TestCase
TestAllAlgorithms.settings = settled(15)


def machine(*algorithms: Algorithm) -> type:
    chosen = [digest for digest, quota in QUOTAS.items() if quota.algorithm in algorithms]
    name = f"{algorithms[0].name.title()}Comparison"
    case = type(name, (Comparison,), {"digests": chosen}).TestCase
    case.settings = settled(10)
    return pytest.mark.slow(case)


TestFixedWindow = machine(Algorithm.FIXED_WINDOW)
TestWallWindow = machine(Algorithm.ALIGNED_WINDOW, Algorithm.CALENDAR_WINDOW)
TestSlidingWindow = machine(Algorithm.SLIDING_WINDOW)
TestTokenBucket = machine(Algorithm.TOKEN_BUCKET)
TestConcurrency = machine(Algorithm.CONCURRENCY)
