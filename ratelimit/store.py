"""Where counters live: what the full lane and the HTTP side ask, whatever holds them."""

import asyncio
from collections.abc import Callable, Collection, Sequence
from typing import Protocol

from _fastpath.clock import Clock
from _fastpath.counters import Counter, CounterTable, Hit, Mode, Verdict
from _fastpath.limit_spec import Fail, Quota
from ratelimit.errors import StoreUnavailable


class CounterStore(Protocol):
    """Used on the event loop."""

    async def decide(
        self,
        namespace: str,
        hits: Sequence[Hit],
        fails: Sequence[Fail],
        mode: Mode,
        clock: Clock,
    ) -> Sequence[Verdict | None]:
        """Decide and charge `hits` as one atomic step; a verdict per hit, in order.

        namespace: whose limits they are; a store of several machines places counters by it.
        fails: what each hit's limit does when its counter cannot be reached; None is the verdict
        of a hit that was let through uncounted. Raises StoreUnavailable when one of them says so,
        and with nothing charged when a counter cannot be held.
        """

    async def list(
        self, digests: Collection[bytes], cursor: str, count: int
    ) -> tuple[str, list[Counter]]:
        """One page of the live counters of these limits, about `count`; "" is the first cursor,
        and comes back with the last page."""

    async def remove(self, digests: Collection[bytes]) -> int:
        """Delete all counters of these limits; returns how many."""

    async def reset(self, namespace: str, digest: bytes, values: tuple[str, ...]) -> bool:
        """Delete one counter; False if there was none."""

    async def set(
        self, namespace: str, digest: bytes, quota: Quota, values: tuple[str, ...], value: int
    ) -> None:
        """Let one counter have counted `value` hits just now, in a window that begins anew."""


class MemoryStore:
    """The counters of this process."""

    def __init__(self, table: CounterTable, clock: Callable[[], Clock]) -> None:
        self._table = table
        self._clock = clock

    async def decide(
        self,
        namespace: str,
        hits: Sequence[Hit],
        fails: Sequence[Fail],
        mode: Mode,
        clock: Clock,
    ) -> list[Verdict]:
        try:
            return self._table.check_and_add(hits, clock, mode)
        except MemoryError as error:
            raise StoreUnavailable(str(error)) from error

    async def list(
        self, digests: Collection[bytes], cursor: str, count: int
    ) -> tuple[str, list[Counter]]:
        after, counters = self._table.list(digests, self._clock(), int(cursor or 0), count)
        return str(after or ""), counters

    async def remove(self, digests: Collection[bytes]) -> int:
        return await asyncio.to_thread(self._table.remove, digests)

    async def reset(self, namespace: str, digest: bytes, values: tuple[str, ...]) -> bool:
        return self._table.reset(digest, values)

    async def set(
        self, namespace: str, digest: bytes, quota: Quota, values: tuple[str, ...], value: int
    ) -> None:
        try:
            self._table.set(digest, quota, values, value, self._clock())
        except MemoryError as error:
            raise StoreUnavailable(str(error)) from error
