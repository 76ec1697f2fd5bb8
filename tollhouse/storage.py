"""Opens the place where counters live, by the settings."""

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Protocol

from prometheus_client.registry import Collector

from _fastpath.clock import Clock
from _fastpath.counters import CounterTable
from _fastpath.store_batch import StoreBatches
from ratelimit.compiled_limit import CompiledLimit
from ratelimit.redis.health import State
from ratelimit.redis.key import HashTag
from ratelimit.redis.native_decisions import NativeDecisions
from ratelimit.redis.reservation_records import RedisRecords
from ratelimit.redis.settings import RedisSettings, TopologyKind
from ratelimit.redis.store import RedisStore
from ratelimit.reservations import MemoryRecords, Records
from ratelimit.state import CounterState, StatefulStore
from ratelimit.store import CounterStore, MemoryStore
from tollhouse.errors import RedisUnreachable, StartError
from tollhouse.settings import RedisMode, Storage, StorageSettings
from tollhouse.storage_metrics import MemoryCollector, RedisCollector, StateCollector

logger = logging.getLogger(__name__)

Limits = Callable[[], Mapping[bytes, CompiledLimit]]  # those in force, by digest

FIRST_SECONDS = 0.5  # the start waits so long for a Redis that is not required
MOST_WAITING = 65_536  # decisions
MOST_WAITING_BYTES = 64 << 20
SWEEPS_PER_LEASE = 4
PATIENCE = 3  # connect timeouts until a required Redis counts as out of reach


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
        return RedisStorage(settings, max_counters, clock, limits)
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


class RedisStorage:
    """Counters on Redis; the table is for limits that count here while it is away."""

    def __init__(
        self,
        settings: StorageSettings,
        max_counters: int,
        clock: Callable[[], Clock],
        limits: Limits,
    ) -> None:
        self._redis = redis_settings(settings)
        self._required = settings.redis_required
        self.table = CounterTable(max_counters)
        apart = self._redis.hash_tag is HashTag.KEY
        leased = settings.redis_mode is RedisMode.LEASED
        batches = StoreBatches(
            MOST_WAITING,
            MOST_WAITING_BYTES,
            counters=self.table,
            by_tag=self._redis.parsed().kind is TopologyKind.CLUSTER,
            key_tags=apart,
            lease_ns=int(settings.redis_lease_seconds * 10**9) if leased else 0,
            max_leases=settings.redis_max_leases,
        )
        self._sweep_seconds = settings.redis_lease_seconds / SWEEPS_PER_LEASE if leased else 0.0
        self._sweeping: asyncio.Task[None] | None = None
        self._batches = batches
        self.batches: StoreBatches | None = batches
        decisions = NativeDecisions(batches, self.table, limits, apart=apart)
        self._store = RedisStore(self._redis, decisions, clock)
        self.store: CounterStore = self._store
        self._records = RedisRecords(self._redis, self._store.topology)
        self.records: Records = self._records
        self.collector: Collector = RedisCollector(self._store.health, batches, leased=leased)

    async def start(self) -> None:
        await self._store.start()
        seconds = PATIENCE * self._redis.connect_timeout_seconds
        trouble = await self._store.reachable(seconds if self._required else FIRST_SECONDS)
        if trouble is not None and self._required:
            raise RedisUnreachable(f"Redis: {trouble}")
        if self._sweep_seconds:
            self._sweeping = asyncio.get_running_loop().create_task(self._sweep())

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(self._sweep_seconds)
            self._batches.sweep()

    async def restore(self, digests: Collection[bytes]) -> None:
        """Redis kept them."""

    def reachable(self) -> bool:
        return self._store.health.state is not State.DOWN

    async def stop(self) -> None:
        if self._sweeping is not None:
            self._sweeping.cancel()
            self._batches.give_back()
            await self._store.flush(self._redis.timeout_seconds)
        await self._records.stop()
        await self._store.stop()


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
            sentinel_password=settings.redis_sentinel_password,
            sentinel_password_file=settings.redis_sentinel_password_file,
            ca_file=settings.redis_ca_file,
            certificate_file=settings.redis_certificate_file,
            key_file=settings.redis_key_file,
        )
    except ValueError as error:
        raise RedisUnreachable(str(error)) from None
