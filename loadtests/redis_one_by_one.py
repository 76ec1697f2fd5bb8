"""Our server over Redis without batches: each request is a redis-py call of its own, one by one.

PORT THREADS REDIS_URL. What every Python service with a Redis client does at first, behind the same
transport and with the same script, so that the difference is the batches and the native lane.
"""

import asyncio
import sys

from redis.asyncio import Redis

from _fastpath.clock import Clock
from _fastpath.counters import Hit, Mode
from _fastpath.limit_spec import Algorithm, Quota
from _fastpath.rls_codec import decode_rate_limit_request, encode_rate_limit_response
from _fastpath.rls_message import Code, RateLimitResponse
from _fastpath.rpc import Context, UnaryMethod
from _fastpath.server import Server
from loadtests.paths import RLS
from ratelimit.redis.key import HashTag, redis_key
from ratelimit.redis.link import DECIDE
from ratelimit.redis.wire import decode_reply, encode_decision

QUOTA = Quota(Algorithm.FIXED_WINDOW, 10**15, 3600 * 10**9)
DIGEST = bytes(16)


class OneByOne:
    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._turn = asyncio.Lock()
        self._script = redis.register_script(DECIDE)

    async def should_rate_limit(self, data: bytes, context: Context) -> bytes:
        request = decode_rate_limit_request(data)
        entries = dict(request.descriptors[0].entries)
        hit = Hit(DIGEST, QUOTA, (entries["user_id"],), request.hits(0))
        clock = Clock(context.mono_ns, context.wall_ns)
        key = redis_key(request.domain, DIGEST, hit.values, HashTag.NAMESPACE).text
        async with self._turn:
            reply = await self._script(
                keys=[key], args=[b"", encode_decision([hit], Mode.CHECK_AND_ADD, clock)]
            )
        [answer] = decode_reply(reply, [1])
        code = Code.OK if answer.verdicts[0].fits else Code.OVER_LIMIT
        return encode_rate_limit_response(RateLimitResponse(code))


async def main(port: int, threads: int, url: str) -> None:
    handler = OneByOne(Redis.from_url(url))
    server = Server([UnaryMethod(RLS, handler.should_rate_limit)], threads=threads)
    server.listen(f"127.0.0.1:{port}")
    server.start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]))
