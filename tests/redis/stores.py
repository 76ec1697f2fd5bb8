"""A store with its batches and the decisions that tests ask for."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import SimpleNamespace

from _fastpath.counters import CounterTable, Hit, Mode, Verdict
from _fastpath.limit_spec import Algorithm, Fail, Quota
from _fastpath.store_batch import StoreBatches
from ratelimit.clock import now
from ratelimit.redis.key import HashTag
from ratelimit.redis.native_decisions import NativeDecisions
from ratelimit.redis.settings import RedisSettings, TopologyKind
from ratelimit.redis.store import RedisStore

MINUTE_NS = 60 * 10**9
LIMIT = b"limit-of-a-test."
DEADLINE_SECONDS = 20.0


def quota(max_value: int, algorithm: Algorithm = Algorithm.FIXED_WINDOW) -> Quota:
    return Quota(algorithm, max_value, MINUTE_NS)


def hit(max_value: int, value: str = "a", delta: int = 1) -> Hit:
    return Hit(LIMIT, quota(max_value), (value,), delta)


@dataclass(frozen=True)
class Limited:
    """What a store asks of a limit."""

    namespace: str
    quota: Quota


@dataclass(frozen=True)
class Opened:
    """store: started. local: what it counts without Redis."""

    store: RedisStore
    batches: StoreBatches
    local: CounterTable

    @property
    def failures(self) -> dict[str, int]:
        return self.batches.failures

    async def decide(
        self,
        *hits: Hit,
        fail: Fail = Fail.ERROR,
        mode: Mode = Mode.CHECK_AND_ADD,
        namespace: str = "tests",
    ) -> Sequence[Verdict | None]:
        return await self.store.decide(namespace, hits, [fail] * len(hits), mode, now())

    async def fits(self, max_value: int, value: str = "a", fail: Fail = Fail.ERROR) -> bool:
        (verdict,) = await self.decide(hit(max_value, value), fail=fail)
        return verdict is None or verdict.fits


@asynccontextmanager
async def opened(
    settings: RedisSettings, *, wait: bool = True, max_decisions: int = 65_536, lease_ns: int = 0
) -> AsyncIterator[Opened]:
    local = CounterTable(10_000)
    batches = StoreBatches(
        max_decisions,
        2**26,
        counters=local,
        by_tag=settings.parsed().kind is TopologyKind.CLUSTER,
        key_tags=settings.hash_tag is HashTag.KEY,
        lease_ns=lease_ns,
    )
    limits = {LIMIT: SimpleNamespace(limit=Limited("tests", quota(10)))}
    decisions = NativeDecisions(
        batches, local, lambda: limits, apart=settings.hash_tag is HashTag.KEY
    )
    store = RedisStore(settings, decisions, now)
    await store.start()
    try:
        if wait:
            assert await store.reachable(DEADLINE_SECONDS) is None
        yield Opened(store, batches, local)
    finally:
        await store.stop()


async def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass"
        await asyncio.sleep(0.005)
