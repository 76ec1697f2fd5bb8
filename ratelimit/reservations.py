"""Reservations: hits held on counters until a commit tells how many there were, or time is up.

A hold is charged like any hit, so every decision sees it; a record beside the counters tells how to
give it back. Whoever takes the record out gives back what it holds: a commit, or the timer of the
process that reserved. A hold ends with its counter's window, and nothing is given back then.
"""

import asyncio
import logging
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import msgspec

from _fastpath.clock import Clock
from _fastpath.counters import Hit, Mode
from _fastpath.limit_spec import Algorithm, Fail
from ratelimit.compiled_limit import CompiledLimit
from ratelimit.errors import StoreUnavailable
from ratelimit.store import CounterStore

logger = logging.getLogger(__name__)

MOST_HELD = 2**63 - 1  # what a counter can be given back at once
SECOND_NS = 1_000_000_000


class Hold(msgspec.Struct, frozen=True, array_like=True):
    """amount: hits charged on one counter. ends_ns: wall clock, the end of their window."""

    digest: bytes
    values: tuple[str, ...]
    amount: int
    ends_ns: int


class Reservation(msgspec.Struct, frozen=True, array_like=True):
    """expires_ns: wall clock, so that replicas can share it."""

    namespace: str
    expires_ns: int
    holds: tuple[Hold, ...]

    def live(self, namespace: str, wall_ns: int) -> bool:
        return (
            self.namespace == namespace
            and wall_ns < self.expires_ns
            and any(wall_ns < hold.ends_ns for hold in self.holds)
        )


class Records(Protocol):
    """Where reservations are told of, by identifier; shared by those who share the counters.

    Methods raise StoreUnavailable.
    """

    async def put(self, identifier: str, reservation: Reservation, ttl_seconds: float) -> None:
        """Keep it for so long at least."""

    async def take(self, identifier: str) -> Reservation | None:
        """Get and forget it as one step; None if there is none."""


class MemoryRecords:
    """The reservations of this process; their number is bounded by who puts them."""

    def __init__(self) -> None:
        self._records: dict[str, Reservation] = {}

    async def put(self, identifier: str, reservation: Reservation, ttl_seconds: float) -> None:
        self._records[identifier] = reservation

    async def take(self, identifier: str) -> Reservation | None:
        return self._records.pop(identifier, None)


@dataclass(frozen=True, slots=True)
class ReservationBounds:
    """What callers may hold. max_fraction: of a limit, 0 < … <= 1. most: live ones per process."""

    max_fraction: float = 0.5
    max_ttl_seconds: float = 60.0
    most: int = 100_000


class TooManyReservations(Exception):
    """As many are held as may be."""


def _holds(hit: Hit) -> bool:
    return hit.delta >= 0 and hit.quota.algorithm is not Algorithm.CONCURRENCY


class Timer(Protocol):
    def cancel(self) -> None: ...


Later = Callable[[float, Callable[[], None]], Timer]


def _on_loop(seconds: float, function: Callable[[], None]) -> Timer:
    return asyncio.get_running_loop().call_later(seconds, function)


class Reservations:
    """Makes reservations and ends them. Used on the event loop.

    limits: those in force by digest; a hold on a limit that is gone went with its counters.
    """

    def __init__(
        self,
        store: CounterStore,
        records: Records,
        limits: Callable[[], Mapping[bytes, CompiledLimit]],
        clock: Callable[[], Clock],
        bounds: ReservationBounds,
        *,
        later: Later = _on_loop,
    ) -> None:
        self._store = store
        self._records = records
        self._limits = limits
        self._clock = clock
        self._later = later
        self._timers: dict[str, Timer] = {}
        self._ending: set[asyncio.Task[None]] = set()
        self.bounds = bounds

    @property
    def live(self) -> int:
        """Reservations of this process that wait for their end."""
        return len(self._timers)

    def ensure_room(self) -> None:
        """Raises TooManyReservations."""
        if len(self._timers) >= self.bounds.most:
            raise TooManyReservations

    async def hold(
        self, namespace: str, charged: Sequence[tuple[Hit, int]], ttl_ns: int | None, clock: Clock
    ) -> str:
        """Turn charged hits into a reservation; gives its identifier, "" when it holds nothing.

        charged: hits with the time left in their windows. What is above the fraction of a limit
        that may be held is given back at once. Slots of concurrency limits are not held: a report
        of their end frees them, or their lease. Raises StoreUnavailable.
        """
        longest_ns = int(self.bounds.max_ttl_seconds * SECOND_NS)
        ttl_ns = longest_ns if ttl_ns is None or ttl_ns < 0 else min(ttl_ns, longest_ns)
        kept = [(hit, reset_ns) for hit, reset_ns in charged if _holds(hit)]
        most = self._most([hit for hit, _ in kept])
        holds, excess = [], []
        for hit, reset_ns in kept:
            amount = min(hit.delta, most)
            ends_ns = clock.wall_ns + reset_ns
            holds.append(Hold(hit.limit_digest, hit.values, amount, ends_ns))
            excess.append(Hold(hit.limit_digest, hit.values, hit.delta - amount, ends_ns))
        await self._give_back(namespace, excess)
        if not holds:
            return ""
        identifier = str(uuid.uuid4())
        reservation = Reservation(namespace, clock.wall_ns + ttl_ns, tuple(holds))
        ttl_seconds = ttl_ns / SECOND_NS
        try:
            await self._records.put(identifier, reservation, ttl_seconds)
        except StoreUnavailable:
            await self._give_back(namespace, holds)
            raise
        self._timers[identifier] = self._later(ttl_seconds, lambda: self._expire(identifier))
        return identifier

    async def settle(self, identifier: str, namespace: str) -> bool:
        """Give back what a reservation holds; True if it was live. Raises StoreUnavailable.

        One of another namespace counts as unknown, yet ends all the same.
        """
        if not identifier:
            return False
        reservation = await self._records.take(identifier)
        self._forget(identifier)
        if reservation is None:
            return False
        live = reservation.live(namespace, self._clock().wall_ns)
        await self._give_back(reservation.namespace, reservation.holds)
        return live

    async def stop(self) -> None:
        """End all that this process made; nobody would give their hits back after it."""
        for identifier in list(self._timers):
            self._expire(identifier)
        while self._ending:
            await asyncio.wait(self._ending)

    def _most(self, hits: Collection[Hit]) -> int:
        """Uniform over the counters of a reservation; the most restrictive limit decides."""
        return min(
            (int(hit.quota.max_value * self.bounds.max_fraction) for hit in hits if hit.binding),
            default=MOST_HELD,
        )

    def _forget(self, identifier: str) -> None:
        timer = self._timers.pop(identifier, None)
        if timer is not None:
            timer.cancel()

    def _expire(self, identifier: str) -> None:
        self._forget(identifier)
        task = asyncio.ensure_future(self._end(identifier))
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    async def _end(self, identifier: str) -> None:
        try:
            await self.settle(identifier, "")
        except StoreUnavailable as error:
            logger.debug("a reservation stays until its window ends: %s", error)

    async def _give_back(self, namespace: str, holds: Sequence[Hold]) -> None:
        clock = self._clock()
        limits = self._limits()
        hits = [
            Hit(
                limit_digest=hold.digest,
                quota=limits[hold.digest].limit.quota,
                values=hold.values,
                delta=-hold.amount,
            )
            for hold in holds
            if hold.amount and hold.digest in limits and clock.wall_ns < hold.ends_ns
        ]
        if hits:
            fails = [Fail.ERROR] * len(hits)
            await self._store.decide(namespace, hits, fails, Mode.ADD, clock)
