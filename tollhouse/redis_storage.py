"""Counters on Redis as a place where counters live; loaded where a setting asks for it."""

import asyncio
from collections.abc import Callable, Collection

from prometheus_client.registry import Collector

from _fastpath.clock import Clock
from _fastpath.counters import CounterTable
from _fastpath.store_batch import StoreBatches
from ratelimit.redis.health import State
from ratelimit.redis.key import HashTag
from ratelimit.redis.native_decisions import NativeDecisions
from ratelimit.redis.reservation_records import RedisRecords
from ratelimit.redis.settings import RedisSettings, TopologyKind
from ratelimit.redis.store import RedisStore
from ratelimit.reservations import Records
from ratelimit.store import CounterStore
from tollhouse.errors import RedisUnreachable
from tollhouse.redis_metrics import RedisCollector
from tollhouse.settings import RedisMode, StorageSettings
from tollhouse.storage import Limits

FIRST_SECONDS = 0.5  # the start waits so long for a Redis that is not required
MOST_WAITING = 65_536  # decisions
MOST_WAITING_BYTES = 64 << 20
SWEEPS_PER_LEASE = 4
PATIENCE = 3  # connect timeouts until a required Redis counts as out of reach


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
