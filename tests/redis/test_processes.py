"""Several processes on one Redis let exactly the limit pass."""

import asyncio
import sys
from pathlib import Path

import pytest

from tests.redis.servers import RedisServer

ROOT = Path(__file__).parents[2]


async def hitter(url: str, hits: int, most: int) -> int:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.redis.hitter", url, str(hits), str(most)),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    told, _ = await process.communicate()
    return int(told)


@pytest.mark.slow
async def test_three_processes_pass_exactly_the_limit(server: RedisServer) -> None:
    passed = await asyncio.gather(*(hitter(server.unix_url, 400, 500) for _ in range(3)))
    assert sum(passed) == 500
