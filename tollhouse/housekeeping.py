"""What has to happen even without traffic: expired counters, revoked keys and old plans go."""

import asyncio
import contextlib
from collections.abc import Callable

from _fastpath.clock import Clock
from _fastpath.counters import CounterTable
from _fastpath.identity import IdentityTable
from _fastpath.plan import Plans

INTERVAL_S = 1.0
BUCKETS = 256  # per shard and turn: at most about 2 ms of the event loop


class Housekeeping:
    """Frees what traffic alone would free only while it lasts."""

    def __init__(
        self,
        counters: CounterTable,
        identities: IdentityTable,
        plans: Plans,
        clock: Callable[[], Clock],
    ) -> None:
        self._counters = counters
        self._identities = identities
        self._plans = plans
        self._clock = clock
        self._task: asyncio.Task[None] | None = None

    def turn(self) -> None:
        """One round of work."""
        self._counters.sweep(self._clock(), BUCKETS)
        self._identities.collect()
        self._plans.collect()

    def start(self) -> None:
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(INTERVAL_S)
            self.turn()
