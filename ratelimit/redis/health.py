"""Whether Redis is in reach, told once per change, and what was done, for the metrics."""

import logging
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum

from ratelimit.redis.fault import SERVED, RedisFault

LOG = logging.getLogger(__name__)
BUCKETS_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)
RECOVERED_AFTER_SECONDS = 1.0
"""A node that answers with errors is well again after so long without one: some commands pass
while others do not, and nobody wants a line for each."""
STRANGE_KEYS_SECONDS = 60.0


class State(Enum):
    UP = "up"
    DEGRADED = "degraded"
    """Answers, but with errors."""
    DOWN = "down"


@dataclass(slots=True)
class Counts:
    """What was done since the start. latency: batches up to each bucket, and beyond the last."""

    batches: int = 0
    decisions: int = 0
    seconds: float = 0.0
    reconnects: int = 0
    latency: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS_SECONDS) + 1))

    def answered(self, decisions: int, seconds: float) -> None:
        self.batches += 1
        self.decisions += decisions
        self.seconds += seconds
        place = 0
        while place < len(BUCKETS_SECONDS) and seconds > BUCKETS_SECONDS[place]:
            place += 1
        self.latency[place] += 1


class Health:
    """Of all nodes together. Used on the event loop.

    name: a node's address, or what tells where the nodes are.
    recovered: called when the last node that was not up is up again.
    """

    def __init__(self, now: Callable[[], float], recovered: Callable[[], None]) -> None:
        self.counts = Counts()
        self.trouble = ""
        """What was told last when something failed; no secret in it."""
        self._now = now
        self._recovered = recovered
        self._states: dict[str, State] = {}
        self._failed_at: dict[str, float] = {}
        self._strange_at: dict[str, float] = {}

    @property
    def state(self) -> State:
        """Down only when nothing is up; before the first connection too."""
        states = set(self._states.values())
        if states == {State.UP}:
            return State.UP
        return State.DOWN if states <= {State.DOWN} else State.DEGRADED

    def nodes(self) -> Iterator[tuple[str, State]]:
        yield from self._states.items()

    def answered(self, name: str, decisions: int, seconds: float) -> None:
        self.counts.answered(decisions, seconds)
        if self._states.get(name) is State.DEGRADED and (
            self._now() - self._failed_at[name] >= RECOVERED_AFTER_SECONDS
        ):
            self.connected(name)

    def connected(self, name: str, *, evicts: bool = False) -> None:
        """evicts: whether it may drop live counters when its memory is full."""
        before = self.state
        if self._set(name, State.UP):
            warning = "; its maxmemory-policy may evict live counters" if evicts else ""
            level = logging.WARNING if evicts or name in self._failed_at else logging.INFO
            LOG.log(level, "Redis %s is in use%s", name, warning)
        if before is not State.UP and self.state is State.UP:
            self._recovered()

    def failed(self, name: str, fault: RedisFault) -> None:
        self._failed_at[name] = self._now()
        self.trouble = f"{name}: {fault.detail}"
        state = State.DEGRADED if fault.fault in SERVED else State.DOWN
        if self._set(name, state):
            LOG.error("Redis %s is %s (%s): %s", name, state.value, fault.fault.value, fault.detail)

    def met_strange_keys(self, name: str) -> None:
        """Single decisions failed at keys that are no counters; told once a minute at most, as
        such a key may be met by every request."""
        if self._now() - self._strange_at.get(name, -math.inf) >= STRANGE_KEYS_SECONDS:
            self._strange_at[name] = self._now()
            LOG.error("Redis %s: keys th:* of another type or content; decisions fail", name)

    def forget(self, name: str) -> None:
        """It is no longer used, or, of the topology, no longer in trouble."""
        self._states.pop(name, None)
        self._strange_at.pop(name, None)
        self._failed_at.pop(name, None)

    def _set(self, name: str, state: State) -> bool:
        changed = self._states.get(name) is not state
        self._states[name] = state
        return changed
