"""Opens the place where counters live, by the settings."""

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping
from importlib import import_module
from pathlib import Path
from typing import Protocol

from prometheus_client.registry import Collector

from _fastpath.clock import Clock
from _fastpath.counters import CounterTable
from _fastpath.store_batch import StoreBatches
from ratelimit.compiled_limit import CompiledLimit
from ratelimit.reservations import MemoryRecords, Records
from ratelimit.state import CounterState, StatefulStore
from ratelimit.store import CounterStore, MemoryStore
from tollhouse.errors import StartError
from tollhouse.settings import Storage, StorageSettings
from tollhouse.storage_metrics import MemoryCollector, StateCollector

logger = logging.getLogger(__name__)

Limits = Callable[[], Mapping[bytes, CompiledLimit]]  # those in force, by digest


class OpenStorage(Protocol):
    """table: what native threads count in. batches: where both lanes leave decisions instead, if
    counters live outside. store: what the full lane asks. records: where reservations are told of.
    collector: its metrics."""

    table: CounterTable
    batches: StoreBatches | None
    store: CounterStore
    records: Records
    collector: Collector

    async def start(self) -> None:
        """Be ready for decisions. Raises RedisUnreachable."""

    async def restore(self, digests: Collection[bytes]) -> None:
        """Put back what was kept of these limits, the ones in force, before they decide."""

    async def stop(self) -> None:
        """After the last decision."""

    def reachable(self) -> bool:
        """Whether decisions can be made now."""


def open_storage(
    settings: StorageSettings, max_counters: int, clock: Callable[[], Clock], limits: Limits
) -> OpenStorage:
    """On the event loop. Raises RedisUnreachable, StartError."""
    if settings.storage is Storage.REDIS:
        # Its client library is loaded where it is needed only.
        module = import_module("tollhouse.redis_storage")
        opened: OpenStorage = module.RedisStorage(settings, max_counters, clock, limits)
        return opened
    if settings.state is not None:
        return StateStorage(settings, settings.state, max_counters, clock)
    return MemoryStorage(max_counters, clock)


class MemoryStorage:
    """The counters of this process."""

    def __init__(self, max_counters: int, clock: Callable[[], Clock]) -> None:
        self.table = CounterTable(max_counters)
        self.batches: StoreBatches | None = None
        self.store: CounterStore = MemoryStore(self.table, clock)
        self.records: Records = MemoryRecords()
        self.collector: Collector = MemoryCollector()

    async def start(self) -> None:
        """Nothing to wait for."""

    async def restore(self, digests: Collection[bytes]) -> None:
        """Nothing was kept."""

    def reachable(self) -> bool:
        return True

    async def stop(self) -> None:
        """Nothing to keep."""


class StateStorage(MemoryStorage):
    """The counters of this process, and a file that keeps them over a restart."""

    def __init__(
        self,
        settings: StorageSettings,
        path: Path,
        max_counters: int,
        clock: Callable[[], Clock],
    ) -> None:
        super().__init__(max_counters, clock)
        if not path.parent.is_dir():
            raise StartError(f"the state file {path} cannot be: {path.parent} is no directory")
        self._state = CounterState(path, self.table, clock, settings.state_flush_seconds)
        self._restored = False
        self.store = StatefulStore(self.table, clock, self._state)
        self.collector = StateCollector(self._state)

    async def restore(self, digests: Collection[bytes]) -> None:
        restored = await asyncio.to_thread(self._state.restore, digests)
        logger.info("counters restored: %d", restored)
        self._state.start()
        self._restored = True

    async def stop(self) -> None:
        if self._restored:
            await asyncio.to_thread(self._state.stop)
