"""Opens the place where counters live, by the settings."""

import asyncio
import logging
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Protocol

from prometheus_client.registry import Collector

from _fastpath.clock import Clock
from _fastpath.counters import CounterTable
from ratelimit.redis.decision_queue import DecisionQueue
from ratelimit.redis.reservation_records import RedisRecords
from ratelimit.redis.settings import RedisSettings, TopologyKind
from ratelimit.redis.store import RedisStore
from ratelimit.reservations import MemoryRecords, Records
from ratelimit.state import CounterState, StatefulStore
from ratelimit.store import CounterStore, MemoryStore
from tollhouse.errors import RedisUnreachable, StartError
from tollhouse.settings import Storage, StorageSettings
from tollhouse.storage_metrics import MemoryCollector, RedisCollector, StateCollector

logger = logging.getLogger(__name__)

PATIENCE = 3  # connect timeouts until a required Redis counts as out of reach


class OpenStorage(Protocol):
    """table: what native threads count in. native: whether they may decide by it. store: what the
    full lane asks. records: where reservations are told of. collector: its metrics."""

    table: CounterTable
    native: bool
    store: CounterStore
    records: Records
    collector: Collector

    async def start(self) -> None:
        """Be ready for decisions. Raises RedisUnreachable."""

    async def restore(self, digests: Collection[bytes]) -> None:
        """Put back what was kept of these limits, the ones in force, before they decide."""

    async def stop(self) -> None:
        """After the last decision."""


def open_storage(
    settings: StorageSettings, max_counters: int, clock: Callable[[], Clock]
) -> OpenStorage:
    """On the event loop. Raises RedisUnreachable, StartError."""
    if settings.storage is Storage.REDIS:
        return RedisStorage(settings, max_counters, clock)
    if settings.state is not None:
        return StateStorage(settings, settings.state, max_counters, clock)
    return MemoryStorage(max_counters, clock)


class MemoryStorage:
    """The counters of this process."""

    def __init__(self, max_counters: int, clock: Callable[[], Clock]) -> None:
        self.table = CounterTable(max_counters)
        self.native = True
        self.store: CounterStore = MemoryStore(self.table, clock)
        self.records: Records = MemoryRecords()
        self.collector: Collector = MemoryCollector()

    async def start(self) -> None:
        """Nothing to wait for."""

    async def restore(self, digests: Collection[bytes]) -> None:
        """Nothing was kept."""

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


class RedisStorage:
    """Counters on Redis; the table is for limits that count here while it is away."""

    def __init__(
        self, settings: StorageSettings, max_counters: int, clock: Callable[[], Clock]
    ) -> None:
        self._redis = redis_settings(settings)
        self._required = settings.redis_required
        self.table = CounterTable(max_counters)
        self.native = False
        cluster = self._redis.parsed().kind is TopologyKind.CLUSTER
        self._queue = DecisionQueue(self.table, hash_tag=self._redis.hash_tag, by_tag=cluster)
        self._store = RedisStore(self._redis, self._queue, clock)
        self.store: CounterStore = self._store
        self._records = RedisRecords(self._redis, self._store.topology)
        self.records: Records = self._records
        self.collector: Collector = RedisCollector(self._store.health)

    async def start(self) -> None:
        await self._store.start()
        if self._required:
            seconds = PATIENCE * self._redis.connect_timeout_seconds
            trouble = await self._store.reachable(seconds)
            if trouble is not None:
                raise RedisUnreachable(f"Redis: {trouble}")

    async def restore(self, digests: Collection[bytes]) -> None:
        """Redis kept them."""

    async def stop(self) -> None:
        await self._records.stop()
        await self._store.stop()
        self._queue.close()


def redis_settings(settings: StorageSettings) -> RedisSettings:
    """Raises RedisUnreachable, without a secret in it."""
    try:
        return RedisSettings(
            settings.redis_url or "",
            hash_tag=settings.redis_hash_tag,
            timeout_seconds=settings.redis_timeout_seconds,
            connect_timeout_seconds=settings.redis_connect_timeout_seconds,
            password_file=settings.redis_password_file,
            sentinel_username=settings.redis_sentinel_username,
            sentinel_password_file=settings.redis_sentinel_password_file,
            ca_file=settings.redis_ca_file,
            certificate_file=settings.redis_certificate_file,
            key_file=settings.redis_key_file,
        )
    except ValueError as error:
        raise RedisUnreachable(str(error)) from None
