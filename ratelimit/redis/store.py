"""The CounterStore on Redis: decisions in batches, everything else one question at a time."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Protocol, TypeVar

from _fastpath.clock import Clock
from _fastpath.counters import Counter, Hit, Mode, Verdict
from _fastpath.limit_spec import Fail, Quota
from ratelimit.errors import StoreUnavailable
from ratelimit.redis.batch import Batches
from ratelimit.redis.counter_state import held
from ratelimit.redis.engine import Engine
from ratelimit.redis.fault import RedisFault
from ratelimit.redis.health import Health, State
from ratelimit.redis.key import redis_key
from ratelimit.redis.keyspace import Keyspace
from ratelimit.redis.settings import RedisSettings
from ratelimit.redis.topology import Topology
from ratelimit.redis.wire import encode_set, one_decision

LOOK_AGAIN_SECONDS = 0.01
_Answer = TypeVar("_Answer")


class Decisions(Batches, Protocol):
    """Where decisions gather and what is counted here meanwhile; see `native_decisions.py`."""

    async def decide(
        self,
        namespace: str,
        hits: Sequence[Hit],
        fails: Sequence[Fail],
        mode: Mode,
        clock: Clock,
    ) -> Sequence[Verdict | None]:
        """As CounterStore.decide."""

    async def reconcile(self) -> None:
        """Add to Redis what was counted here while it was away."""


class RedisStore:
    """Used on the event loop, between `start` and `stop`."""

    def __init__(
        self,
        settings: RedisSettings,
        decisions: Decisions,
        clock: Callable[[], Clock],
    ) -> None:
        self.health = Health(time.monotonic, self._recovered)
        self._settings = settings
        self._decisions = decisions
        self._clock = clock
        self._engine = Engine(settings, decisions, self.health)
        self._keyspace = Keyspace(settings, self._engine.topology)
        self._reconciling: asyncio.Task[None] | None = None

    @property
    def topology(self) -> Topology:
        return self._engine.topology

    async def start(self) -> None:
        await self._engine.start()

    async def flush(self, seconds: float) -> None:
        """Wait until nothing waits to be sent, at most so long."""
        deadline = time.monotonic() + seconds
        while True:
            await asyncio.sleep(LOOK_AGAIN_SECONDS)
            if not self._engine.busy or time.monotonic() >= deadline:
                return

    async def stop(self) -> None:
        if self._reconciling is not None:
            self._reconciling.cancel()
        await self._engine.stop()

    async def reachable(self, seconds: float) -> str | None:
        """Wait until Redis answers, at most so long; None, or why it does not."""
        deadline = time.monotonic() + seconds
        while self.health.state is State.DOWN:
            if time.monotonic() >= deadline:
                return self.health.trouble or "no answer yet"
            await asyncio.sleep(LOOK_AGAIN_SECONDS)
        return None

    async def decide(
        self,
        namespace: str,
        hits: Sequence[Hit],
        fails: Sequence[Fail],
        mode: Mode,
        clock: Clock,
    ) -> Sequence[Verdict | None]:
        return await self._decisions.decide(namespace, hits, fails, mode, clock)

    async def list(
        self, digests: Collection[bytes], cursor: str, count: int
    ) -> tuple[str, list[Counter]]:
        page = await _asked(self._keyspace.page(digests, cursor, count))
        listed = []
        for _, parts, state in page.found:
            now_held = held(state, page.now_us)
            if now_held is not None:
                value, reset_us = now_held
                listed.append(Counter(parts.limit_digest, parts.values, value, reset_us * 1000))
        return page.cursor, listed

    async def remove(self, digests: Collection[bytes]) -> int:
        return await _asked(self._keyspace.remove(digests))

    async def reset(self, namespace: str, digest: bytes, values: tuple[str, ...]) -> bool:
        key = redis_key(namespace, digest, values, self._settings.hash_tag)
        return await _asked(self._keyspace.delete(key))

    async def set(
        self, namespace: str, digest: bytes, quota: Quota, values: tuple[str, ...], value: int
    ) -> None:
        key = redis_key(namespace, digest, values, self._settings.hash_tag)
        decision = encode_set(quota, value, self._clock())
        await _asked(self._keyspace.call(key, one_decision(key, decision)))

    def _recovered(self) -> None:
        if self._reconciling is None or self._reconciling.done():
            self._reconciling = asyncio.get_running_loop().create_task(
                self._decisions.reconcile(), name="redis-reconcile"
            )


async def _asked(answer: Awaitable[_Answer]) -> _Answer:
    try:
        return await answer
    except RedisFault as fault:
        raise StoreUnavailable(f"Redis: {fault.detail}") from fault
