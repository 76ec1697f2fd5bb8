"""Leases of real processes on a real Redis, which are killed and paused."""

import asyncio
import struct
import sys
import time
from pathlib import Path

import pytest
import redis

from tests.redis.servers import RedisServer

ROOT = Path(__file__).parents[2]
MOST = 20_000
QUIET_SECONDS = 1.5  # longer than a lease


class Spender:
    """One process and what passed there."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.passed = 0
        self._reading = asyncio.create_task(self._read())

    @classmethod
    async def started(cls, url: str) -> "Spender":
        return cls(
            await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "tests.redis.spender", url, str(MOST)),
                cwd=ROOT,
                stdout=asyncio.subprocess.PIPE,
            )
        )

    async def _read(self) -> None:
        assert self.process.stdout is not None
        while some := await self.process.stdout.read(65536):
            self.passed += len(some)

    async def ended(self) -> None:
        await self._reading
        await self.process.wait()


async def until_more(spenders: list[Spender], amount: int) -> None:
    """Until so many more passed, or nothing passes any more."""
    goal = sum(each.passed for each in spenders) + amount
    last, since = 0, time.monotonic()
    while (passed := sum(each.passed for each in spenders)) < goal:
        if passed != last:
            last, since = passed, time.monotonic()
        elif passed and time.monotonic() - since > QUIET_SECONDS:
            return
        await asyncio.sleep(0.01)


def charged(client: "redis.Redis[bytes]") -> float:
    [key] = client.keys("th:*")
    state = client.get(key)
    assert state is not None
    _, value, _ = struct.unpack("<Bdd", state)
    return float(value)


@pytest.mark.slow
async def test_kills_and_pauses_never_pass_the_limit(
    server: RedisServer, client: "redis.Redis[bytes]"
) -> None:
    """Whatever passed was charged before: at most the limit, less what died with its process."""
    spenders = [await Spender.started(server.unix_url) for _ in range(3)]
    for number in range(3):
        await until_more(spenders, 1500)
        server.pause()
        await asyncio.sleep(0.5)
        spenders[number].process.kill()
        server.resume()
        spenders.append(await Spender.started(server.unix_url))
    await until_more(spenders, MOST)
    for spender in spenders[3:]:
        spender.process.terminate()
    await asyncio.gather(*(spender.ended() for spender in spenders))
    passed = sum(spender.passed for spender in spenders)
    assert passed <= charged(client) <= MOST
    assert passed > MOST / 2
