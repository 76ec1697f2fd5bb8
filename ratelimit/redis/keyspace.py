"""Pages through the counters of all masters, and changes single ones, beside the batches.

Opens a connection per question: these are asked by people, not by requests. SCAN keeps every step
of Redis short, and there is no index that could outgrow the counters.
"""

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import NamedTuple

from redis.exceptions import RedisError, ResponseError

from _fastpath.store_batch import Group
from ratelimit.redis.fault import Fault, RedisFault, fault_of
from ratelimit.redis.key import PREFIX, KeyParts, RedisKey, key_parts
from ratelimit.redis.link import Link, Reply
from ratelimit.redis.settings import Address, RedisSettings
from ratelimit.redis.topology import Topology
from ratelimit.redis.wire import command, evalsha

STEP = 1000
"""Keys that SCAN looks at when all have to be visited."""


class Page(NamedTuple):
    """found: keys with whose they are and the stored state. now_us: the server's time."""

    cursor: str
    now_us: int
    found: list[tuple[bytes, KeyParts, bytes]]


class Keyspace:
    """Every method raises RedisFault."""

    def __init__(self, settings: RedisSettings, topology: Topology) -> None:
        self._settings = settings
        self._topology = topology

    async def page(self, digests: Collection[bytes], cursor: str, count: int) -> Page:
        """About `count` keys are visited. "" is the first cursor, and comes with the last page.

        Raises ValueError for a cursor that no page came with.
        """
        masters = sorted(self._topology.masters)
        if not masters:
            raise RedisFault(Fault.DOWN, "no master is known")
        place, _, after = (cursor or "0:0").partition(":")
        after = str(int(after))
        index = min(int(place), len(masters) - 1)
        async with self._linked(masters[index]) as link:
            after_this, page = await self._scan(link, digests, after, count)
        if after_this != "0":
            return page._replace(cursor=f"{index}:{after_this}")
        return page._replace(cursor=f"{index + 1}:0" if index + 1 < len(masters) else "")

    async def remove(self, digests: Collection[bytes]) -> int:
        removed = 0
        for address in self._topology.masters:
            after = "0"
            async with self._linked(address) as link:
                while True:
                    after, page = await self._scan(link, digests, after, STEP)
                    unlink = [command(b"UNLINK", key) for key, _, _ in page.found]
                    replies = await self._exchange(link, unlink, len(unlink))
                    removed += sum(map(_number, replies))
                    if after == "0":
                        break
        return removed

    async def delete(self, key: RedisKey) -> bool:
        async with self._linked(self._place(key)) as link:
            (reply,) = await link.exchange([command(b"DEL", key.text)])
            return _number(reply) > 0

    async def call(self, key: RedisKey, group: Group) -> bytes:
        """One call of the script over this key."""
        async with self._linked(self._place(key)) as link:
            await link.load()
            (reply,) = await link.exchange(evalsha(link.sha, group))
            if not isinstance(reply, bytes):
                raise _unexpected(reply)
            return reply

    def _place(self, key: RedisKey) -> Address:
        address = self._topology.place(key.tag)
        if address is None:
            raise RedisFault(Fault.DOWN, "no master is known")
        return address

    @asynccontextmanager
    async def _linked(self, address: Address) -> AsyncIterator[Link]:
        link = Link(self._settings, address)
        try:
            async with asyncio.timeout(self._settings.connect_timeout_seconds):
                await link.connect()
            yield link
        except (RedisError, OSError, TimeoutError) as error:
            raise fault_of(error) from error
        finally:
            await link.close()

    async def _scan(
        self, link: Link, digests: Collection[bytes], after: str, count: int
    ) -> tuple[str, Page]:
        """One step of SCAN and the states it found."""
        pattern = PREFIX + b"*"
        if len(digests) == 1:
            pattern += b"}:" + next(iter(digests)).hex().encode() + b":*"
        scan = command(b"SCAN", after.encode(), b"MATCH", pattern, b"COUNT", b"%d" % count)
        told, time = await self._exchange(link, [scan, command(b"TIME")], 2)
        if not isinstance(told, list) or not isinstance(time, list):
            raise _unexpected(told)
        keys = [(key, key_parts(key)) for key in dict.fromkeys(told[1])]
        wanted = [(key, parts) for key, parts in keys if parts and parts.limit_digest in digests]
        states = await self._exchange(
            link, [command(b"GET", key) for key, _ in wanted], len(wanted)
        )
        found = [
            (key, parts, state)
            for (key, parts), state in zip(wanted, states, strict=True)
            if isinstance(state, bytes)
        ]
        return told[0].decode(), Page("", int(time[0]) * 1_000_000 + int(time[1]), found)

    async def _exchange(self, link: Link, packed: list[bytes], replies: int) -> list[Reply]:
        if not packed:
            return []
        async with asyncio.timeout(self._settings.connect_timeout_seconds):
            return await link.exchange(packed, replies)


def _number(reply: Reply) -> int:
    if not isinstance(reply, int):
        raise _unexpected(reply)
    return reply


def _unexpected(reply: Reply) -> RedisFault:
    if isinstance(reply, ResponseError):
        return fault_of(reply)
    return RedisFault(Fault.SCRIPT, f"unexpected reply of type {type(reply).__name__}")
