"""Leases of real processes on a real Redis, which are killed and paused."""

import asyncio
import struct
import sys
from functools import partial
from pathlib import Path

import pytest
import redis

from _fastpath.calendar import Calendar, Period
from _fastpath.counters import Hit
from _fastpath.limit_spec import Algorithm, Quota
from ratelimit.redis.settings import RedisSettings
from tests.redis.servers import RedisServer
from tests.redis.stores import LIMIT, opened, until

ROOT = Path(__file__).parents[2]
MOST = 20_000


class Spender:
    """One process and what passed there."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.passed = self.refused = 0
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
            self.passed += some.count(b"+")
            self.refused += some.count(b"-")

    async def ended(self) -> None:
        await self._reading
        await self.process.wait()


def passed(spenders: list[Spender]) -> int:
    return sum(spender.passed for spender in spenders)


def reached(spenders: list[Spender], goal: int) -> bool:
    return passed(spenders) >= goal


def charged(client: "redis.Redis[bytes]") -> float:
    [key] = client.keys("th:*")
    state = client.get(key)
    assert state is not None
    _, value, _ = struct.unpack("<Bdd", state)
    return float(value)


LEASABLE = [algorithm for algorithm in Algorithm if algorithm is not Algorithm.CONCURRENCY]


def asked(algorithm: Algorithm) -> Hit:
    calendar = Calendar(Period.YEAR) if algorithm is Algorithm.CALENDAR_WINDOW else None
    return Hit(LIMIT, Quota(algorithm, 500, 10**17, calendar=calendar), ("a",), 1)


@pytest.mark.parametrize("algorithm", LEASABLE)
async def test_every_algorithm_is_leased_up_to_its_limit(
    server: RedisServer, algorithm: Algorithm
) -> None:
    """A window of three years, so that nothing comes back meanwhile."""
    async with opened(RedisSettings(server.unix_url), lease_ns=10**11) as store:
        fits, leased = 0, 0
        for _ in range(600):
            (verdict,) = await store.decide(asked(algorithm))
            fits += verdict is not None and verdict.fits
            leased = max(leased, store.batches.stats().leased_units)
        assert fits == 500
        assert leased > 8


async def test_concurrency_is_never_leased(server: RedisServer) -> None:
    async with opened(RedisSettings(server.unix_url), lease_ns=10**11) as store:
        for _ in range(100):
            await store.decide(asked(Algorithm.CONCURRENCY))
        assert store.batches.stats().leased_units == 0


@pytest.mark.slow
async def test_kills_and_pauses_never_pass_the_limit(
    server: RedisServer, client: "redis.Redis[bytes]"
) -> None:
    """Whatever passed was charged before: at most the limit, less what died with its process."""
    spenders = [await Spender.started(server.unix_url) for _ in range(3)]
    for number in range(2):
        goal = passed(spenders) + 1500
        await until(partial(reached, spenders, goal))
        server.pause()
        await asyncio.sleep(0.5)
        spenders[number].process.kill()
        server.resume()
        spenders.append(await Spender.started(server.unix_url))
    await until(lambda: all(spender.refused > 3 for spender in spenders[2:]))
    for spender in spenders[2:]:
        spender.process.terminate()
    await asyncio.gather(*(spender.ended() for spender in spenders))
    assert passed(spenders) <= charged(client) <= MOST
    assert passed(spenders) > MOST / 4
