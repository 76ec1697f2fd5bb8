"""What a connection asks of a server before it is used, played by one that only talks."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from ratelimit.redis.fault import Fault, RedisFault
from ratelimit.redis.link import Link
from ratelimit.redis.settings import Address, RedisSettings
from ratelimit.redis.wire import bulk

GOOD = {"redis_version": "7.0.0", "role": "master", "loading": "0"}


@asynccontextmanager
async def talking(info: bytes) -> AsyncIterator[Address]:
    """Answers INFO with this, SCRIPT with a digest, everything else with OK."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while count := await reader.readline():
            words = []
            for _ in range(int(count[1:])):
                size = int((await reader.readline())[1:])
                words.append((await reader.readexactly(size + 2))[:-2])
            writer.write({b"INFO": info, b"SCRIPT": bulk(b"5" * 40)}.get(words[0], b"+OK\r\n"))
        writer.close()
        await writer.wait_closed()
        ended.set()

    ended = asyncio.Event()
    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    try:
        yield Address(*server.sockets[0].getsockname())
    finally:
        server.close()
        await ended.wait()


def told(**changes: str) -> bytes:
    return bulk("\r\n".join(f"{k}:{v}" for k, v in {**GOOD, **changes}.items()).encode())


async def opened_to(info: bytes) -> Link:
    async with talking(info) as address:
        link = Link(RedisSettings("redis://unused"), address)
        await link.open()
        await link.close()
        return link


async def test_master_of_a_known_version_is_used() -> None:
    link = await opened_to(told(redis_version="6.2.0"))
    assert link.sha == b"5" * 40
    assert not link.evicts


async def test_evicting_server_is_known() -> None:
    assert (await opened_to(told(maxmemory_policy="allkeys-lru"))).evicts
    assert not (await opened_to(told(maxmemory_policy="noeviction"))).evicts


@pytest.mark.parametrize(
    ("info", "fault"),
    [
        (told(redis_version="6.0.16"), Fault.VERSION),
        (told(redis_version="unknown"), Fault.VERSION),
        (told(role="slave"), Fault.READONLY),
        (told(loading="1"), Fault.LOADING),
        (b"-LOADING Redis is loading the dataset in memory\r\n", Fault.LOADING),
        (b"-NOAUTH Authentication required.\r\n", Fault.AUTH),
        (b"-MASTERDOWN Link with MASTER is down\r\n", Fault.READONLY),
        (b":5\r\n", Fault.SCRIPT),
        (b"what?\r\n", Fault.CONNECTION),
    ],
)
async def test_other_servers_are_left(info: bytes, fault: Fault) -> None:
    with pytest.raises(RedisFault) as caught:
        await opened_to(info)
    assert caught.value.fault is fault
