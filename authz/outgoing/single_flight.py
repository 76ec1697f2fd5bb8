"""Equal calls at the same time are made once."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T")


@dataclass(slots=True)
class _Flight:
    task: asyncio.Task[Any]
    waiters: int = 0


class SingleFlight:
    """Waiters share the outcome; one that is cancelled leaves the call to the others, the last one
    takes it along. So there are never more calls than there are waiters."""

    def __init__(self) -> None:
        self._flights: dict[Hashable, _Flight] = {}

    async def shared(self, key: Hashable, call: Callable[[], Awaitable[T]]) -> T:
        """The outcome of the call under way for `key`, else of `call`."""
        flight = self._flights.get(key)
        if flight is None:
            task = asyncio.ensure_future(_awaited(call))
            flight = self._flights[key] = _Flight(task)
            task.add_done_callback(lambda _: self._landed(key, task))
        flight.waiters += 1
        try:
            outcome: T = await asyncio.shield(flight.task)
            return outcome
        finally:
            flight.waiters -= 1
            if flight.waiters == 0 and not flight.task.done():
                self._flights.pop(key, None)  # who comes now starts anew
                flight.task.cancel()

    def _landed(self, key: Hashable, task: asyncio.Task[Any]) -> None:
        flight = self._flights.get(key)
        if flight is not None and flight.task is task:
            del self._flights[key]
        if not task.cancelled():
            task.exception()  # seen, also when nobody waits any more


async def _awaited(call: Callable[[], Awaitable[T]]) -> T:
    return await call()
