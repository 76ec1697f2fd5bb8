"""A process of its own that hits one limit: `python -m tests.redis.hitter URL HITS MAX`.

Prints how many passed.
"""

import asyncio
import sys

from ratelimit.redis.settings import RedisSettings
from tests.redis.stores import opened


async def main(url: str, hits: int, most: int) -> None:
    async with opened(RedisSettings(url, timeout_seconds=10.0)) as store:
        print(sum(await asyncio.gather(*(store.fits(most) for _ in range(hits)))))


asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
