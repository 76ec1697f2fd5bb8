"""Values by the generation of the plan they were published with, for requests that waited."""

from typing import Generic, TypeVar

KEEP_NS = 60_000_000_000  # longer than a deferred request may wait in any queue

T = TypeVar("T")


class Generations(Generic[T]):
    """The newest value and, for KEEP_NS, those before it. Used on the event loop."""

    def __init__(self, first: T) -> None:
        self.current = first
        self._since = 0
        # (first generation, value, monotonic time at which it was replaced), by generation
        self._older: list[tuple[int, T, int]] = []

    def replace(self, value: T, generation: int, mono_ns: int) -> None:
        self._older = [old for old in self._older if mono_ns - old[2] < KEEP_NS]
        self._older.append((self._since, self.current, mono_ns))
        self._since = generation
        self.current = value

    def at(self, generation: int) -> T:
        """What a plan of this generation held; the newest for 0 and for one too old to know."""
        if generation == 0 or generation >= self._since:
            return self.current
        for since, value, _ in reversed(self._older):
            if generation >= since:
                return value
        return self.current
