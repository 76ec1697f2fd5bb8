"""A process of its own that spends one limit by leases: `python -m tests.redis.spender URL MAX`.

Writes "+" for every hit that passed, as soon as it did, and "-" for one that Redis refused. On
SIGTERM it gives back and ends.
"""

import asyncio
import os
import signal
import sys

from _fastpath.counters import Mode
from _fastpath.limit_spec import Fail
from ratelimit.clock import now
from tests.redis.stores import hit
from tollhouse.redis_storage import RedisStorage
from tollhouse.settings import RedisMode, Storage, StorageSettings


async def main(url: str, most: int) -> None:
    settings = StorageSettings(
        storage=Storage.REDIS, redis_url=url, redis_mode=RedisMode.LEASED, redis_required=True
    )
    storage = RedisStorage(settings, 1000, now, dict)
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    await storage.start()
    while not ended.is_set():
        (verdict,) = await storage.store.decide(
            "tests", [hit(most)], [Fail.CLOSED], Mode.CHECK_AND_ADD, now()
        )
        assert verdict is not None
        if verdict.fits or verdict.reset_ns:  # not refused for want of Redis
            os.write(sys.stdout.fileno(), b"+" if verdict.fits else b"-")
        await asyncio.sleep(0 if verdict.fits else 0.01)
    await storage.stop()


asyncio.run(main(sys.argv[1], int(sys.argv[2])))
