"""One Redis node: batches go out one at a time, faults end where they belong, it reconnects alone.

While a batch is on its way the next one gathers; when the reply is there the next is sent before
the reply is handed out, so the server does not wait for Python. While the node is away everything
meant for it fails at once, and one task tries to come back, ever more slowly and never in step with
other processes.
"""

import asyncio
import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

from redis.exceptions import AskError, MovedError, NoScriptError, RedisError, ResponseError

from _fastpath.store_batch import Group
from ratelimit.redis.batch import Batch
from ratelimit.redis.fault import SERVED, Fault, RedisFault, fault_of
from ratelimit.redis.health import Health
from ratelimit.redis.link import Link, Reply
from ratelimit.redis.settings import Address
from ratelimit.redis.wire import command, evalsha

LOG = logging.getLogger(__name__)
FIRST_DELAY_SECONDS = 0.05
LONGEST_DELAY_SECONDS = 5.0
MOST_WAITING = 65_536
"""Decisions that may wait for one node of a Cluster while others answer; more fail."""
MOST_REDIRECTS = 3
PING_SECONDS = 1.0
_ASKING = command(b"ASKING")
_PING = command(b"PING")


@dataclass(slots=True)
class Parcel:
    """One group on its way. asking: the node is to take it although the slot is not its own yet."""

    batch: Batch
    index: int
    asking: bool = False
    redirects: int = 0

    @property
    def group(self) -> Group:
        return self.batch.groups[self.index]

    def fail(self, fault: Fault) -> None:
        self.batch.fail(self.index, fault.value)

    def packed(self, sha: bytes) -> tuple[bytes, ...]:
        """What to send; answered by one reply, after that to ASKING."""
        call = evalsha(sha, self.group)
        return (_ASKING, *call) if self.asking else call


Redirect = Callable[[Parcel, AskError], None]


class Node:
    """link: makes a new, closed one. gather: asks for what waits, before more is sent.

    redirect: takes a parcel that a Cluster wants elsewhere. lost: told when the topology may have
    changed.
    """

    def __init__(
        self,
        link: Callable[[], Link],
        health: Health,
        timeout_seconds: float,
        gather: Callable[[], None],
        redirect: Redirect,
        lost: Callable[[], None],
    ) -> None:
        self._make_link = link
        self._link = link()
        self._health = health
        self._timeout_seconds = timeout_seconds
        self._gather = gather
        self._redirect = redirect
        self._lost = lost
        self._waiting: list[Parcel] = []
        self._waiting_decisions = 0
        self._sent: list[Parcel] = []
        self._begun = 0.0
        self._arrived = asyncio.Event()
        self._reload = self._answered = False
        self._opening = True
        self.up = False
        self.idle = False
        """Up, with nothing to do."""

    @property
    def address(self) -> Address:
        return self._link.address

    def offer(self, parcel: Parcel) -> None:
        """Send it as soon as possible, or fail it now. The first connection of a node is waited
        for: it is new to the Cluster, or the process has just begun."""
        if not self.up and not self._opening:
            parcel.fail(Fault.DOWN)
        elif self._waiting_decisions + parcel.group.decisions > MOST_WAITING:
            parcel.fail(Fault.OVERLOADED)
        else:
            self._waiting.append(parcel)
            self._waiting_decisions += parcel.group.decisions
            self.idle = False
            self._arrived.set()

    async def run(self) -> None:
        """Until cancelled."""
        delay = FIRST_DELAY_SECONDS
        try:
            while True:
                if await self._live():
                    delay = FIRST_DELAY_SECONDS
                self._lost()
                await asyncio.sleep(delay * random.uniform(0.5, 1.0))
                delay = min(delay * 2, LONGEST_DELAY_SECONDS)
                self._health.counts.reconnects += 1
                self._link = self._make_link()
        finally:
            self._health.forget(str(self.address))

    async def _live(self) -> bool:
        """One connection, from its opening to its end. Returns whether it answered a batch."""
        self._answered = False
        fault = RedisFault(Fault.DOWN, "closing")
        try:
            await self._link.open()
            await self._serve()
        except RedisFault as error:
            fault = error
            self._health.failed(str(self.address), fault)
        except Exception as error:
            LOG.exception("Redis %s: a defect; connecting again", self.address)
            fault = RedisFault(Fault.CONNECTION, type(error).__name__)
            self._health.failed(str(self.address), fault)
        finally:
            self.up = self.idle = self._opening = False
            lost, self._sent = self._sent, []
            for parcel in lost:
                parcel.fail(fault.fault)
            for parcel in self._drained():
                parcel.fail(Fault.DOWN)
            await self._link.close()
            self._gather()
        return self._answered

    async def _serve(self) -> NoReturn:
        self.up, self._opening, self.idle = True, False, not self._waiting
        self._health.connected(str(self.address), evicts=self._link.evicts)
        self._gather()
        while True:
            if not self._sent:
                await self._wait()
                await self._send()
            replies = await self._receive()
            answered, self._sent, self._answered = self._sent, [], True
            self._health.answered(
                str(self.address),
                sum(parcel.group.decisions for parcel in answered),
                time.monotonic() - self._begun,
            )
            self.idle = not self._waiting
            self._gather()
            try:
                if self._waiting:
                    await self._send()
            finally:
                fault = self._hand_out(answered, replies)
            if fault is not None:
                raise fault

    async def _wait(self) -> None:
        """Asks for a sign of life now and then, so that a server that closed the connection while
        nothing was to be done costs nobody a decision."""
        while not self._waiting:
            self._arrived.clear()
            try:
                async with asyncio.timeout(PING_SECONDS):
                    await self._arrived.wait()
            except TimeoutError:
                await self._ping()

    async def _ping(self) -> None:
        try:
            async with asyncio.timeout(self._timeout_seconds):
                (reply,) = await self._link.exchange([_PING])
        except (RedisError, OSError, TimeoutError) as error:
            raise fault_of(error) from error
        if isinstance(reply, ResponseError):
            raise fault_of(reply)

    async def _send(self) -> None:
        self._sent = self._drained()
        self._begun = time.monotonic()
        packed: list[bytes] = []
        try:
            async with asyncio.timeout(self._timeout_seconds):
                if self._reload:
                    await self._link.load()
                    self._reload = False
                for parcel in self._sent:
                    packed += parcel.packed(self._link.sha)
                await self._link.send(packed)
        except (RedisError, OSError, TimeoutError) as error:
            raise fault_of(error) from error

    async def _receive(self) -> list[Reply]:
        """One reply per parcel that was sent."""
        try:
            async with asyncio.timeout_at(self._begun + self._timeout_seconds):
                replies = await self._link.receive(sum(1 + p.asking for p in self._sent))
        except (RedisError, OSError, TimeoutError) as error:
            raise fault_of(error) from error
        following = iter(replies)
        told = []
        for parcel in self._sent:
            if parcel.asking:
                next(following)
            told.append(next(following))
        return told

    def _hand_out(self, parcels: list[Parcel], replies: list[Reply]) -> RedisFault | None:
        """Returns the fault that ends the connection, if one does."""
        ends: RedisFault | None = None
        for parcel, reply in zip(parcels, replies, strict=True):
            fault = self._hand_over(parcel, reply)
            if fault is not None:
                parcel.fail(fault.fault)
                if fault.fault in SERVED:
                    self._health.failed(str(self.address), fault)
                    self._lost()
                else:
                    ends = fault
        return ends

    def _hand_over(self, parcel: Parcel, reply: Reply) -> RedisFault | None:
        """Returns the fault with which the parcel has yet to be failed."""
        if isinstance(reply, bytes):
            try:
                failed = parcel.batch.settle(parcel.index, reply)
            except ValueError as error:
                return RedisFault(Fault.SCRIPT, str(error))
            if failed:
                self._health.met_strange_keys(str(self.address))
            return None
        if not isinstance(reply, ResponseError):
            return RedisFault(Fault.SCRIPT, f"unexpected reply of type {type(reply).__name__}")
        if isinstance(reply, NoScriptError | AskError) and parcel.redirects < MOST_REDIRECTS:
            parcel.redirects += 1
            if isinstance(reply, AskError):
                parcel.asking = not isinstance(reply, MovedError)
                self._redirect(parcel, reply)
            else:
                self._reload = True
                self.offer(parcel)
            return None
        return fault_of(reply)

    def _drained(self) -> list[Parcel]:
        parcels, self._waiting, self._waiting_decisions = self._waiting, [], 0
        return parcels
