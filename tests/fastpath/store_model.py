"""A counter store in Python: reads batches as decide.lua does, for fixed windows only.

Reading is independent of the native code, so a test sees the very bytes that are sent.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from _fastpath.store_batch import Batch, Group, StoreBatches

HEAD = struct.Struct("<BBH")
RECORD = struct.Struct("<BB6x8d")
VERDICT = struct.Struct("<B7x5d")
ALWAYS, GIVE_BACK, OF_LEASE = 2, 4, 8
SMALLEST_LEASE = 8


@dataclass(frozen=True, slots=True)
class Counted:
    """One counter of a decision as it was sent."""

    key: bytes
    algorithm: int
    flags: int
    amount: float
    max_value: float
    window_us: float
    burst: float
    calendar: tuple[float, float, float]
    wanted: float


@dataclass(frozen=True, slots=True)
class Decision:
    mode: int
    counters: tuple[Counted, ...]


def bulk_strings(body: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(body):
        assert body[at : at + 1] == b"$"
        end = body.index(b"\r\n", at)
        size = int(body[at + 1 : end])
        yield body[end + 2 : end + 2 + size]
        at = end + 2 + size + 2
        assert body[at - 2 : at] == b"\r\n"


def decisions(group: Group) -> list[Decision]:
    parts = list(bulk_strings(group.body))
    keys, time, packed = parts[: group.numkeys], parts[group.numkeys], parts[group.numkeys + 1 :]
    assert time == b""
    assert len(packed) == group.decisions
    rest = iter(keys)
    return [_decision(text, rest) for text in packed]


def _decision(text: bytes, keys: Iterator[bytes]) -> Decision:
    mode, zero, count = HEAD.unpack_from(text)
    assert zero == 0
    assert len(text) == HEAD.size + count * RECORD.size
    counters = []
    for index in range(count):
        algorithm, flags, amount, max_value, window, burst, *calendar, wanted = RECORD.unpack_from(
            text, HEAD.size + index * RECORD.size
        )
        counters.append(
            Counted(
                next(keys),
                algorithm,
                flags,
                amount,
                max_value,
                window,
                burst,
                (calendar[0], calendar[1], calendar[2]),
                wanted,
            )
        )
    return Decision(mode, tuple(counters))


@dataclass(slots=True)
class _Window:
    value: float = 0
    end_us: float = 0


class StoreModel:
    """Fixed windows by key; `now_us` is the server's clock.

    admitted: what was charged for hits, leases left out, by key and end of the window.
    """

    def __init__(self, now_us: float = 1_000_000) -> None:
        self.now_us = now_us
        self.windows: dict[bytes, _Window] = {}
        self.seen: list[Decision] = []
        self.admitted: dict[tuple[bytes, float], float] = {}

    def value(self, key: bytes) -> float:
        window = self.windows.get(key)
        return window.value if window and window.end_us > self.now_us else 0

    def serve(self, batches: StoreBatches, most: int = 1000) -> int:
        """Take and settle everything that waits; returns the number of decisions."""
        served = 0
        while (batch := batches.take(most)) is not None:
            served += self.settle(batch)
        return served

    def settle(self, batch: Batch) -> int:
        served = 0
        for index, group in enumerate(batch.groups):
            taken = decisions(group)
            self.seen += taken
            batch.settle(index, b"".join(self.decide(each) for each in taken))
            served += len(taken)
        return served

    def decide(self, decision: Decision) -> bytes:
        verdicts, fits = [], True
        for counted in decision.counters:
            value = self.value(counted.key)
            after = value + counted.amount
            if counted.flags & GIVE_BACK:
                after = max(value - counted.amount, 0)
            passes = bool(counted.flags & GIVE_BACK) or after <= counted.max_value
            fits &= passes or not counted.flags & 1
            looked = decision.mode == 1 or (counted.flags & ALWAYS and not passes)
            shown = value if looked else after
            left = self._end(counted) - self.now_us
            never = counted.amount > counted.max_value
            retry = 0 if passes else -1 if never else left
            verdicts.append([passes, max(counted.max_value - shown, 0), left, retry, 0, 0])
        for counted, verdict in zip(decision.counters, verdicts, strict=True):
            if decision.mode != 1 and (fits or decision.mode == 2 or counted.flags & ALWAYS):
                self._charge(counted, verdict)
            verdict[5] = self._end(counted)
        packed = b"".join(VERDICT.pack(*verdict) for verdict in verdicts)
        return HEAD.pack(0 if fits else 1, 0, len(verdicts)) + packed

    def _end(self, counted: Counted) -> float:
        window = self.windows.get(counted.key)
        if window and window.end_us > self.now_us:
            return window.end_us
        return self.now_us + counted.window_us

    def _charge(self, counted: Counted, verdict: list[float]) -> None:
        window = self.windows.get(counted.key)
        live = window is not None and window.end_us > self.now_us
        if counted.flags & GIVE_BACK:
            if (
                window
                and live
                and not (counted.flags & OF_LEASE and counted.wanted != window.end_us)
            ):
                window.value = max(window.value - counted.amount, 0)
            return
        granted = int(min(counted.wanted, verdict[1] // 8))
        granted = 0 if granted < SMALLEST_LEASE else granted
        if not counted.amount + granted:
            return
        if window is None or not live:
            window = self.windows[counted.key] = _Window(0, self.now_us + counted.window_us)
        window.value += counted.amount + granted
        place = counted.key, window.end_us
        self.admitted[place] = self.admitted.get(place, 0) + counted.amount
        verdict[4] = granted
