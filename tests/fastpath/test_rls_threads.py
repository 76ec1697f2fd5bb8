"""Exactly as many requests as the limits allow pass, with several I/O threads deciding at once."""

import asyncio

import grpc
import pytest

from _fastpath.cells import Series
from _fastpath.counters import CounterTable
from _fastpath.header_spec import HeaderFamily, HeaderSpec
from _fastpath.limit_index import limit_index, limit_set
from _fastpath.limit_spec import LimitSpec
from _fastpath.plan import Plans
from _fastpath.rls import RateLimitDecider
from _fastpath.rpc import Context, RpcError, Status, UnaryMethod
from _fastpath.server import Server
from protos.generated.ratelimit_1_40_pb2 import RateLimitRequest, RateLimitResponse
from tests.fastpath.quotas import fixed

PATH = "/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit"
THREADS = 4
CONNECTIONS = 8


async def refuse(request: bytes, context: Context) -> bytes:
    raise RpcError(Status.INTERNAL, "nothing here needs the full lane")


def specs(max_value: int) -> list[LimitSpec]:
    """One limit for all and one per value of `u`, which is the tighter one for `u` = 0."""
    return [
        LimitSpec(b"a" * 16, fixed(max_value, 10**15)),
        LimitSpec(b"b" * 16, fixed(10, 10**15), equalities=((0, "u", "0"),)),
    ]


async def fire(channel: grpc.aio.Channel, user: int, calls: int) -> int:
    message = RateLimitRequest(domain="ns")
    message.descriptors.add(entries=[{"key": "u", "value": str(user)}])
    raw = message.SerializeToString()
    call = channel.unary_unary(PATH)
    answers = await asyncio.gather(*(call(raw, timeout=60) for _ in range(calls)))
    codes = [RateLimitResponse.FromString(answer).overall_code for answer in answers]
    return codes.count(RateLimitResponse.OK)


@pytest.mark.parametrize("max_value", [40, 150, 10_000])
async def test_threads_together_let_exactly_the_limit_pass(max_value: int) -> None:
    series, plans, counters = Series(THREADS), Plans(THREADS), CounterTable()
    decider = RateLimitDecider(
        plans, counters, series, headers=HeaderSpec(HeaderFamily.DRAFT_VERSION_03), statuses=True
    )
    plans.publish(limit_index({"ns": limit_set("ns", specs(max_value), series)}), None)
    server = Server([UnaryMethod(PATH, refuse, decider.should_rate_limit)], threads=THREADS)
    address = server.listen("127.0.0.1:0")
    server.start()
    try:
        options = [("grpc.use_local_subchannel_pool", 1)]
        channels = [grpc.aio.insecure_channel(address, options) for _ in range(CONNECTIONS)]
        passed = await asyncio.gather(
            *(fire(channel, number % 2, 40) for number, channel in enumerate(channels))
        )
        for channel in channels:
            await channel.close()
    finally:
        server.stop()
    expected = min(max_value, CONNECTIONS // 2 * 40 + 10)
    assert sum(passed) == expected
    assert sum(passed[0::2]) <= 10
    totals = decider.totals()
    assert totals["authorized_calls", "ns"] == expected
    assert totals["limited_calls", "ns", ""] == CONNECTIONS * 40 - expected
