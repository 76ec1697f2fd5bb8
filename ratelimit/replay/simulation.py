"""Recorded requests through the limits, by the log's own clock, and what came of it per limit."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from _fastpath.clock import Clock
from _fastpath.counters import CounterTable, Hit, Mode
from ratelimit.compiled_limit import CompiledLimit
from ratelimit.configuration import Configuration
from ratelimit.decision import Outcome, settle
from ratelimit.replay.access_log import SECOND_NS, Record
from ratelimit.replay.mapping import DescriptorMapping
from ratelimit.replay.timeline import Timeline
from ratelimit.selection import Selection, select
from ratelimit.store import MemoryStore

MOST_KEYS = 100_000  # per limit: values whose refusals are told apart
MOST_COUNTERS = 10_000_000
MOST_SELECTIONS = 100_000
SWEEP_EVERY = 4096  # requests between two sweeps of expired counters
FALLBACK_WINDOW_NS = 60 * SECOND_NS


@dataclass(slots=True)
class LimitTally:
    """What a limit met. demand: how many windows of one key asked for how many hits in all,
    refused ones included; the window opens with the key's first request."""

    limit: CompiledLimit
    requests: int = 0
    hits: int = 0
    refused: int = 0
    timeline: Timeline = field(default_factory=Timeline)
    refused_keys: Counter[tuple[str, ...]] = field(default_factory=Counter)
    demand: Counter[int] = field(default_factory=Counter)
    _open: dict[tuple[str, ...], tuple[int, int]] = field(default_factory=dict)
    _most_open: int = SWEEP_EVERY

    def note(self, outcome: Outcome, wall_ns: int) -> None:
        hit, fits = outcome.hit, outcome.verdict.fits
        values = hit.values if hit else ()
        self.requests += 1
        self.hits += hit.delta if hit else 0
        self.timeline.note(wall_ns, refused=not fits)
        if not fits:
            self.refused += 1
            if values in self.refused_keys or len(self.refused_keys) < MOST_KEYS:
                self.refused_keys[values] += 1
        if hit:
            self._demand(hit, wall_ns)

    def _demand(self, hit: Hit, wall_ns: int) -> None:
        asked, end = self._open.get(hit.values, (0, 0))
        if wall_ns >= end:
            if asked:
                self.demand[asked] += 1
            asked, end = 0, wall_ns + (hit.quota.window_ns or FALLBACK_WINDOW_NS)
        self._open[hit.values] = asked + hit.delta, end

    def forget_before(self, wall_ns: int) -> None:
        """Close the windows that ended, when there are many, so that mostly live keys are held."""
        if len(self._open) < self._most_open:
            return
        ended = [key for key, (_, end) in self._open.items() if end <= wall_ns]
        for key in ended:
            self.demand[self._open.pop(key)[0]] += 1
        self._most_open = max(SWEEP_EVERY, 2 * len(self._open))

    def close(self) -> None:
        self.demand.update(asked for asked, _ in self._open.values())
        self._open.clear()


class Simulation:
    """Feeds one request after the other; `tallies` holds the limits of the namespace in order.

    A request older than one before it counts as made at that one's time, since clocks of limits do
    not run backwards; `late` counts these.
    """

    def __init__(
        self, configuration: Configuration, namespace: str, mapping: DescriptorMapping
    ) -> None:
        self._configuration = configuration
        self._namespace = namespace
        self._mapping = mapping
        self._table = CounterTable(MOST_COUNTERS)
        self._now = Clock(0, 0)
        self._selections: dict[tuple[object, ...], Selection] = {}
        self._store = MemoryStore(self._table, lambda: self._now)
        self.tallies: dict[bytes, LimitTally] = {
            limit.limit.digest: LimitTally(limit) for limit in configuration.limits(namespace)
        }
        self.requests = self.refused = self.late = 0
        self.first_ns: int | None = None

    @property
    def last_ns(self) -> int:
        return self._now.wall_ns

    async def feed(self, record: Record) -> None:
        """Decide one request as ShouldRateLimit would have. Raises StoreUnavailable."""
        if self.first_ns is None:
            self.first_ns = record.wall_ns
        self.late += record.wall_ns < self._now.wall_ns
        wall_ns = max(record.wall_ns, self._now.wall_ns)
        # Monotonic time starts with the first request.
        self._now = Clock(wall_ns - self.first_ns + 1, wall_ns)
        selection = self._select(record)
        decision = await settle(selection, Mode.CHECK_AND_ADD, self._store, self._now)
        self._note(decision.outcomes, over_limit=decision.over_limit)

    def _select(self, record: Record) -> Selection:
        """What applies depends on the descriptors and hits alone, and logs repeat themselves."""
        descriptors = self._mapping.descriptors(record)
        hits = self._mapping.hits_of(record)
        key = (hits, *(tuple(entries.items()) for entries in descriptors))
        known = self._selections.get(key)
        if known is None:
            limits = self._configuration.candidates(self._namespace, descriptors)
            known = select(limits, descriptors, lambda _: hits)
            if len(self._selections) >= MOST_SELECTIONS:
                self._selections.clear()
            self._selections[key] = known
        return known

    def _note(self, outcomes: Sequence[Outcome], *, over_limit: bool) -> None:
        self.requests += 1
        self.refused += over_limit
        for outcome in outcomes:
            tally = self.tallies[outcome.limit.limit.digest]
            tally.note(outcome, self._now.wall_ns)
        if self.requests % SWEEP_EVERY == 0:
            self._table.sweep(self._now)
            for tally in self.tallies.values():
                tally.forget_before(self._now.wall_ns)

    def close(self) -> None:
        """End of the traffic: the windows still open count as they stand."""
        for tally in self.tallies.values():
            tally.close()
