"""Gathers decisions of coroutines into batches: the queue of a process without native calls.

Also the reference of the native one. Each decision is answered through a future; without Redis each
of its limits does what its `fail` says.
"""

import asyncio
import os
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from _fastpath.clock import Clock
from _fastpath.counters import CounterTable, Hit, Mode, Verdict
from _fastpath.limit_spec import Fail, Quota
from ratelimit.clock import now
from ratelimit.redis.batch import Group
from ratelimit.redis.key import HashTag, RedisKey, redis_key
from ratelimit.redis.outage import without_redis
from ratelimit.redis.wire import Answer, Status, bulk, decode_reply, encode_decision

Verdicts = list[Verdict | None]
_SERVER_TIME = bulk(b"")


@dataclass(slots=True, eq=False)
class Decision:
    """One that waits; all its keys have the same tag, unless tags are not kept apart."""

    keys: list[RedisKey]
    body: bytes
    answer: asyncio.Future[Answer | str]
    """What the script said, or why it was not asked."""


@dataclass(slots=True)
class QueuedBatch:
    groups: list[Group] = field(default_factory=list)
    _decisions: list[list[Decision]] = field(default_factory=list)

    def add(self, tag: bytes, decisions: list[Decision], time: bytes) -> None:
        keys = [bulk(key.text) for decision in decisions for key in decision.keys]
        body = b"".join((*keys, time, *(bulk(decision.body) for decision in decisions)))
        self.groups.append(Group(tag, len(keys), len(decisions), body))
        self._decisions.append(decisions)

    def settle(self, group: int, reply: bytes) -> None:
        decisions = self._decisions[group]
        try:
            answers = decode_reply(reply, [len(decision.keys) for decision in decisions])
        except ValueError:
            self.fail(group, "script")
            raise
        for decision, answer in zip(decisions, answers, strict=True):
            _tell(decision, "wrong_type" if answer.status is Status.FAILED else answer)

    def fail(self, group: int, reason: str) -> None:
        for decision in self._decisions[group]:
            _tell(decision, reason)


def _tell(decision: Decision, answer: Answer | str) -> None:
    if not decision.answer.done():
        decision.answer.set_result(answer)


class DecisionQueue:
    """Used on one event loop. by_tag: keep tags apart, for a Cluster.

    local: counts for limits that fail local. now_us: the time given to the script, None for the
    server's (tests).
    """

    def __init__(
        self,
        local: CounterTable,
        *,
        hash_tag: HashTag = HashTag.NAMESPACE,
        by_tag: bool = False,
        max_decisions: int = 65_536,
    ) -> None:
        self.now_us: int | None = None
        self._local = local
        self._hash_tag = hash_tag
        self._by_tag = by_tag
        self.max_decisions = max_decisions
        self._counted_here: dict[bytes, tuple[str, Quota]] = {}
        self._waiting: deque[Decision] = deque()
        self._signal = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)

    def fileno(self) -> int:
        return self._signal

    def close(self) -> None:
        os.close(self._signal)

    def take(self, most: int) -> QueuedBatch | None:
        if not self._waiting:
            return None
        taken = [self._waiting.popleft() for _ in range(min(most, len(self._waiting)))]
        by_tag: dict[bytes, list[Decision]] = {}
        for decision in taken:
            tag = decision.keys[0].tag if self._by_tag else b""
            by_tag.setdefault(tag, []).append(decision)
        batch = QueuedBatch()
        time = _SERVER_TIME if self.now_us is None else bulk(b"%d" % self.now_us)
        for tag, decisions in by_tag.items():
            batch.add(tag, decisions, time)
        return batch

    async def decide(
        self,
        namespace: str,
        hits: Sequence[Hit],
        fails: Sequence[Fail],
        mode: Mode,
        clock: Clock,
    ) -> Verdicts:
        """As CounterStore.decide."""
        if not hits:
            return []
        keys = [redis_key(namespace, hit.limit_digest, hit.values, self._hash_tag) for hit in hits]
        if self._by_tag and len({key.tag for key in keys}) > 1:
            answer = await self._decide_apart(keys, hits, mode, clock)
        else:
            answer = await self._ask(keys, hits, mode, clock)
        if isinstance(answer, str):
            return self._failed(namespace, hits, fails, mode, clock)
        return list(answer.verdicts)

    async def _ask(
        self, keys: list[RedisKey], hits: Sequence[Hit], mode: Mode, clock: Clock
    ) -> Answer | str:
        if len(self._waiting) >= self.max_decisions:
            return "overloaded"
        decision = Decision(
            keys,
            encode_decision(hits, mode, clock),
            asyncio.get_running_loop().create_future(),
        )
        if not self._waiting:
            with suppress(BlockingIOError):
                os.eventfd_write(self._signal, 1)
        self._waiting.append(decision)
        return await decision.answer

    async def _decide_apart(
        self, keys: list[RedisKey], hits: Sequence[Hit], mode: Mode, clock: Clock
    ) -> Answer | str:
        """Counters in several slots: each is asked and charged alone, and gets back what it was
        charged when another refused or failed. In between it shows too much, never too little."""
        answers = await asyncio.gather(
            *(self._ask([key], [hit], mode, clock) for key, hit in zip(keys, hits, strict=True))
        )
        told = [answer for answer in answers if isinstance(answer, Answer)]
        failed = [answer for answer in answers if isinstance(answer, str)]
        passes = not failed and all(answer.status is Status.FITS for answer in told)
        if mode is Mode.CHECK_AND_ADD and not passes:
            await asyncio.gather(
                *(
                    self._ask([key], [hit._replace(delta=-hit.delta)], Mode.ADD, clock)
                    for key, hit, answer in zip(keys, hits, answers, strict=True)
                    if isinstance(answer, Answer)
                    and answer.status is Status.FITS
                    and hit.delta
                    and not hit.always
                )
            )
        if failed:
            return failed[0]
        return Answer(
            Status.FITS if passes else Status.REFUSED,
            [answer.verdicts[0] for answer in told],
            [0] * len(told),
            [answer.window_ends_us[0] for answer in told],
        )

    async def reconcile(self) -> None:
        """Add to Redis what was counted here while it was away, as far as its window lives."""
        cursor = 0
        while self._counted_here:
            cursor, counters = self._local.list(self._counted_here, now(), cursor)
            for counter in counters:
                namespace, quota = self._counted_here[counter.limit_digest]
                hit = Hit(counter.limit_digest, quota, counter.values, counter.value)
                # Taken first: a hit that comes in between is then counted once, not twice.
                self._local.reset(counter.limit_digest, counter.values)
                await self.decide(namespace, [hit], [Fail.LOCAL], Mode.ADD, now())
            if cursor == 0:
                break

    def _failed(
        self,
        namespace: str,
        hits: Sequence[Hit],
        fails: Sequence[Fail],
        mode: Mode,
        clock: Clock,
    ) -> Verdicts:
        self._counted_here |= {
            hit.limit_digest: (namespace, hit.quota)
            for hit, fail in zip(hits, fails, strict=True)
            if fail is Fail.LOCAL
        }
        return without_redis(self._local, hits, fails, mode, clock)
