"""Random sequences of operations on the counter table and on its model, compared step by step."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from _fastpath.counters import CounterTable, Hit, Mode
from tests.fastpath.counter_model import MOST, CounterModel
from tests.fastpath.quotas import at, fixed

DIGESTS = [bytes([n]) * 16 for n in range(3)]
WINDOWS = {DIGESTS[0]: 10, DIGESTS[1]: 1000, DIGESTS[2]: 0}

texts = st.sampled_from(["", "a", "b", "ab", "x" * 300, "\u00e9", "\x00"])
values = st.one_of(
    st.just(()),
    st.tuples(texts),
    st.tuples(texts, texts),
    st.integers(0, 200).map(lambda n: (str(n),)),
)
amounts = st.one_of(st.integers(-3, 5), st.sampled_from([MOST, MOST - 1, -(2**63) + 1]))
limits = st.one_of(st.integers(0, 12), st.sampled_from([MOST, MOST - 3]))
hit = st.builds(
    lambda digest, value, most, *rest: Hit(digest, fixed(most, WINDOWS[digest]), value, *rest),
    st.sampled_from(DIGESTS),
    values,
    limits,
    amounts,
    st.booleans(),
    st.booleans(),
)
hits = st.lists(hit, max_size=5, unique_by=lambda h: (h.limit_digest, h.values))


class Comparison(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.table = CounterTable(100_000)
        self.model = CounterModel()
        self.now = 1

    @rule(step=st.integers(0, 30))
    def pass_time(self, step: int) -> None:
        self.now += step

    @rule(hits=hits, mode=st.sampled_from(Mode))
    def decide(self, hits: list[Hit], mode: Mode) -> None:
        expected = self.model.check_and_add(hits, at(self.now), mode)
        assert self.table.check_and_add(hits, at(self.now), mode) == expected

    @rule(start=st.integers(0, 10_000), count=st.integers(1, 300))
    def fill(self, start: int, count: int) -> None:
        for number in range(start, start + count):
            one = [Hit(DIGESTS[1], fixed(5, 1000), (str(number),), 1)]
            expected = self.model.check_and_add(one, at(self.now), Mode.CHECK_AND_ADD)
            assert self.table.check_and_add(one, at(self.now), Mode.CHECK_AND_ADD) == expected

    @rule(digest=st.sampled_from(DIGESTS), value=values)
    def reset(self, digest: bytes, value: tuple[str, ...]) -> None:
        self.model.counters = self.model.live(self.now)
        self.table.sweep(at(self.now), 1_000_000)
        known = self.model.counters.pop((digest, value), None) is not None
        assert self.table.reset(digest, value) == known

    @rule(digests=st.sets(st.sampled_from(DIGESTS)))
    def remove(self, digests: set[bytes]) -> None:
        self.table.sweep(at(self.now), 1_000_000)
        live = self.model.live(self.now)
        gone = {key for key in live if key[0] in digests}
        self.model.counters = {key: live[key] for key in live if key not in gone}
        assert self.table.remove(digests) == len(gone)

    @rule(count=st.integers(1, 50), digests=st.none() | st.sets(st.sampled_from(DIGESTS)))
    def listed(self, count: int, digests: set[bytes] | None) -> None:
        expected = {
            (digest, value): (used, expiry - self.now)
            for (digest, value), (used, expiry) in self.model.live(self.now).items()
            if digests is None or digest in digests
        }
        seen = []
        cursor = 0
        while True:
            cursor, counters = self.table.list(digests, at(self.now), cursor, count)
            seen += counters
            if not cursor:
                break
        assert len(seen) == len(expected)
        assert {(c.limit_digest, c.values): (c.value, c.reset_ns) for c in seen} == expected

    @invariant()
    def holds_every_live_counter(self) -> None:
        assert len(self.table) == self.table.stats().size >= len(self.model.live(self.now))


TestCounterTable = Comparison.TestCase
TestCounterTable.settings = settings(max_examples=25, stateful_step_count=30, deadline=None)
