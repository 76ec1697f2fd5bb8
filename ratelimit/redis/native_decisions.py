"""Decisions of the full lane, left with those of the native one in the same batches."""

import asyncio
from collections.abc import Callable, Mapping, Sequence

from _fastpath.clock import Clock
from _fastpath.counters import CounterTable, Hit, Mode, Verdict
from _fastpath.errors import CountersUnavailable
from _fastpath.limit_spec import Fail, namespace_tag
from _fastpath.store_batch import Batch, StoreBatches
from ratelimit.clock import now
from ratelimit.compiled_limit import CompiledLimit
from ratelimit.errors import StoreUnavailable
from ratelimit.redis.outage import without_redis

Verdicts = Sequence[Verdict | None]


class NativeDecisions:
    """batches: shared with the native lane. local: what its limits that fail local count in.

    apart: whether every counter has a slot of its own, so that a decision over several is made in
    parts. limits: those in force, by digest. Used on the event loop.
    """

    def __init__(
        self,
        batches: StoreBatches,
        local: CounterTable,
        limits: Callable[[], Mapping[bytes, CompiledLimit]],
        *,
        apart: bool,
    ) -> None:
        self._batches = batches
        self._local = local
        self._limits = limits
        self._apart = apart

    def fileno(self) -> int:
        return self._batches.fileno()

    def take(self, most: int) -> Batch | None:
        return self._batches.take(most)

    async def decide(
        self,
        namespace: str,
        hits: Sequence[Hit],
        fails: Sequence[Fail],
        mode: Mode,
        clock: Clock,
    ) -> Verdicts:
        tag = namespace_tag(namespace)
        if self._apart and len(hits) > 1:
            return await self._decide_apart(tag, hits, fails, mode, clock)
        try:
            return await self._batches.decide(hits, fails, mode, clock, tag)
        except (CountersUnavailable, MemoryError) as error:
            raise StoreUnavailable(str(error)) from error

    async def _decide_apart(
        self, tag: bytes, hits: Sequence[Hit], fails: Sequence[Fail], mode: Mode, clock: Clock
    ) -> Verdicts:
        """Each counter is asked and charged alone, and gets back what it was charged when another
        refused or failed. In between it shows too much, never too little."""
        told = await asyncio.gather(*(self._ask(tag, hit, mode, clock) for hit in hits))
        verdicts = [verdict for verdict in told if verdict is not None]
        failed = len(verdicts) < len(hits)
        passes = not failed and all(
            verdict.fits or not hit.binding for hit, verdict in zip(hits, verdicts, strict=True)
        )
        if mode is Mode.CHECK_AND_ADD and not passes:
            charged = [
                hit._replace(delta=-hit.delta)
                for hit, verdict in zip(hits, told, strict=True)
                if verdict is not None and (verdict.fits or not hit.binding) and not hit.always
            ]
            await asyncio.gather(*(self._ask(tag, hit, Mode.ADD, clock) for hit in charged))
        return without_redis(self._local, hits, fails, mode, clock) if failed else verdicts

    async def _ask(self, tag: bytes, hit: Hit, mode: Mode, clock: Clock) -> Verdict | None:
        """None when Redis did not answer."""
        try:
            (verdict,) = await self._batches.decide([hit], [Fail.ERROR], mode, clock, tag)
        except CountersUnavailable:
            return None
        return verdict

    async def reconcile(self) -> None:
        """Add to Redis what was counted here while it was away, as far as its window lives."""
        limits = self._limits()
        cursor = 0
        while True:
            cursor, counters = self._local.list(limits.keys(), now(), cursor)
            for counter in counters:
                limit = limits[counter.limit_digest].limit
                hit = Hit(counter.limit_digest, limit.quota, counter.values, counter.value)
                # Taken first: a hit that comes in between is then counted once, not twice.
                self._local.reset(counter.limit_digest, counter.values)
                await self.decide(limit.namespace, [hit], [Fail.LOCAL], Mode.ADD, now())
            if cursor == 0:
                return
