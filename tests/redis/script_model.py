"""What decide.lua is to answer, by the rules of docs/algorithms.md over exact fractions.

Waiting times are found by search, not by formula: the only thing the model knows is how much of a
counter is taken at an instant.
"""

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil, floor
from typing import Protocol

from _fastpath.clock import Clock
from _fastpath.counters import Hit, Mode, Verdict
from _fastpath.limit_spec import Algorithm, Quota
from ratelimit.redis.wire import NEVER_NS, window_us

Key = tuple[bytes, tuple[str, ...]]


class State(Protocol):
    def taken(self, at: int) -> int:
        """Units, at an instant not before the last change."""

    def reset(self, at: int) -> int: ...
    def add(self, at: int, amount: int) -> None: ...
    def give(self, at: int, amount: int) -> None: ...


@dataclass
class Window:
    size: int
    ends: Callable[[int], int]
    value: int = 0
    expiry: int = 0

    def taken(self, at: int) -> int:
        return self.value if at < self.expiry else 0

    def reset(self, at: int) -> int:
        return (self.expiry if at < self.expiry else self.ends(at)) - at

    def add(self, at: int, amount: int) -> None:
        if at >= self.expiry:
            self.value, self.expiry = 0, self.ends(at)
        self.value += amount

    def give(self, at: int, amount: int) -> None:
        self.value = max(self.taken(at) - amount, 0)


@dataclass
class Sliding:
    size: int
    start: int = -(2**62)
    before: int = 0
    value: int = 0

    def _at(self, at: int) -> tuple[int, int, int]:
        start, before, value = self.start, self.before, self.value
        if at >= start + 2 * self.size:
            before = value = 0
        elif at >= start + self.size:
            start, before, value = start + self.size, value, 0
        return (start, before, value) if before or value else (-(2**62), 0, 0)

    def taken(self, at: int) -> int:
        start, before, value = self._at(at)
        return floor(Fraction(before * (start + self.size - at), self.size)) + value

    def reset(self, at: int) -> int:
        start, before, value = self._at(at)
        return start + self.size - at if before or value else self.size

    def add(self, at: int, amount: int) -> None:
        self.start, self.before, self.value = self._at(at)
        if not self.before and not self.value:
            self.start = at
        self.value += amount

    def give(self, at: int, amount: int) -> None:
        self.start, self.before, self.value = self._at(at)
        from_value = min(amount, self.value)
        self.value -= from_value
        self.before = max(self.before - (amount - from_value), 0)


@dataclass
class Bucket:
    each: Fraction
    """Microseconds per token."""
    full: Fraction = Fraction(0)

    def _owed(self, at: int) -> Fraction:
        return max(self.full - at, Fraction(0))

    def taken(self, at: int) -> int:
        return ceil(self._owed(at) / self.each)

    def reset(self, at: int) -> int:
        return ceil(self._owed(at))

    def add(self, at: int, amount: int) -> None:
        self.full = at + self._owed(at) + amount * self.each

    def give(self, at: int, amount: int) -> None:
        self.full = at + max(self._owed(at) - amount * self.each, Fraction(0))


@dataclass
class Slots:
    lease: int
    ends: dict[int, int] = field(default_factory=dict)

    def taken(self, at: int) -> int:
        return sum(count for end, count in self.ends.items() if end > at)

    def reset(self, at: int) -> int:
        return max((end for end in self.ends if end > at), default=at + self.lease) - at

    def add(self, at: int, amount: int) -> None:
        grain = ceil(Fraction(self.lease, 32))
        end = ceil(Fraction(at + self.lease, grain)) * grain
        self.ends[end] = self.ends.get(end, 0) + amount

    def give(self, at: int, amount: int) -> None:
        for end in sorted(end for end in self.ends if end > at):
            freed = min(amount, self.ends[end])
            self.ends[end] -= freed
            amount -= freed
        self.ends = {end: count for end, count in self.ends.items() if count and end > at}


def fresh(quota: Quota) -> State:
    size = window_us(quota)
    match quota.algorithm:
        case Algorithm.FIXED_WINDOW:
            return Window(size, lambda at: at + size)
        case Algorithm.ALIGNED_WINDOW:
            return Window(size, lambda at: at // size * size + size)
        case Algorithm.CALENDAR_WINDOW:
            calendar = quota.calendar
            assert calendar is not None
            return Window(size, lambda at: calendar.window(at * 1000)[1] // 1000)
        case Algorithm.SLIDING_WINDOW:
            return Sliding(size)
        case Algorithm.TOKEN_BUCKET:
            return Bucket(Fraction(size, quota.max_value))
        case Algorithm.CONCURRENCY:
            return Slots(size)


class ScriptModel:
    def __init__(self) -> None:
        self.states: dict[Key, State] = {}

    def decide(self, hits: Sequence[Hit], clock: Clock, mode: Mode) -> list[Verdict]:
        at = clock.wall_ns // 1000
        states = [self.states.get((h.limit_digest, h.values)) or fresh(h.quota) for h in hits]
        verdicts = [self._verdict(*each, at, mode) for each in zip(hits, states, strict=True)]
        passes = all(v.fits or not h.binding for h, v in zip(hits, verdicts, strict=True))
        for index, (hit, state) in enumerate(zip(hits, states, strict=True)):
            charged = mode is Mode.ADD or (mode is Mode.CHECK_AND_ADD and (passes or hit.always))
            after = state if charged else deepcopy(state)
            if hit.delta > 0:
                after.add(at, hit.delta)
            elif hit.delta < 0:
                after.give(at, -hit.delta)
            if charged and hit.delta:
                self.states[hit.limit_digest, hit.values] = state
            bucket = isinstance(after, Bucket) and mode is not Mode.CHECK
            if bucket and verdicts[index].fits:
                verdicts[index] = verdicts[index]._replace(reset_ns=after.reset(at) * 1000)
        return verdicts

    def _verdict(self, hit: Hit, state: State, at: int, mode: Mode) -> Verdict:
        quota, taken = hit.quota, state.taken(at)
        capacity = quota.max_value
        if quota.algorithm is Algorithm.TOKEN_BUCKET and quota.burst:
            capacity = quota.burst
        fits = hit.delta < 0 or taken + hit.delta <= capacity
        shown = max(taken + hit.delta, 0)
        if mode is Mode.CHECK or (hit.always and not fits):
            shown = taken
        retry_ns = 0
        if not fits:
            retry_ns = NEVER_NS
            if hit.delta <= capacity:
                retry_ns = _wait(state, at, capacity - hit.delta) * 1000
        return Verdict(fits, max(capacity - shown, 0), state.reset(at) * 1000, retry_ns)


def _wait(state: State, at: int, room: int) -> int:
    """The first microsecond at which no more than `room` is taken."""
    low, high = 0, 1
    while state.taken(at + high) > room:
        low, high = high, high * 2
    while high - low > 1:
        middle = (low + high) // 2
        if state.taken(at + middle) > room:
            low = middle
        else:
            high = middle
    return high
