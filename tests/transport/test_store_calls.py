"""Calls whose counters live in a store, over HTTP/2 and several I/O threads."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from _fastpath.cells import Series
from _fastpath.counters import CounterTable
from _fastpath.header_spec import NO_HEADERS
from _fastpath.limit_index import limit_index, limit_set
from _fastpath.limit_spec import Algorithm, Fail, LimitSpec, Quota
from _fastpath.plan import Plans
from _fastpath.rls import RateLimitDecider
from _fastpath.rpc import UnaryMethod
from _fastpath.server import Server
from _fastpath.store_batch import StoreBatches
from fastpath.store_model import StoreModel
from protos.generated.ratelimit_1_40_pb2 import RateLimitRequest, RateLimitResponse
from transport.native_server import Running, Service
from transport.raw_client import connections

PATH = "/test.Service/ShouldRateLimit"
THREADS = 2
LIMIT = LimitSpec(bytes(16), Quota(Algorithm.FIXED_WINDOW, 150, 10**12), fail=Fail.CLOSED)
REQUEST = RateLimitRequest(domain="ns", descriptors=[{"entries": [{"key": "a", "value": "b"}]}])
DATA = REQUEST.SerializeToString()


@asynccontextmanager
async def serving(batches: StoreBatches) -> AsyncIterator[Running]:
    plans, series, service = Plans(THREADS), Series(THREADS), Service()
    plans.publish(limit_index({"ns": limit_set("ns", [LIMIT], series)}), None)
    decider = RateLimitDecider(
        plans, CounterTable(), series, headers=NO_HEADERS, statuses=False, batches=batches
    )
    method = UnaryMethod(PATH, service.echo, native=decider.should_rate_limit)
    server = Server([*service.methods(), method], threads=THREADS)
    address = server.listen("127.0.0.1:0")
    server.start()
    try:
        yield Running(server, service, address)
    finally:
        await server.drain(0)


def queue() -> StoreBatches:
    return StoreBatches(1000, 1 << 20, counters=CounterTable())


async def test_batch_answers_calls_of_all_threads() -> None:
    batches, model = queue(), StoreModel()
    async with serving(batches) as running, connections(running.address, 4) as clients:
        calls = [(client, client.start(PATH, DATA)) for client in clients for _ in range(50)]
        await running.until(lambda: batches.waiting == 200)
        model.serve(batches, most=64)
        codes = []
        for client, stream in calls:
            answer = await client.answer(stream)
            codes.append(RateLimitResponse.FromString(answer.messages[0]).overall_code)
        assert codes.count(RateLimitResponse.OK) == 150
        assert codes.count(RateLimitResponse.OVER_LIMIT) == 50


async def test_calls_that_end_while_they_wait_are_not_sent() -> None:
    batches, model = queue(), StoreModel()
    async with serving(batches) as running, await running.connect() as client:
        timed = client.start(PATH, DATA, ("grpc-timeout", "30m"))
        reset, left = client.start(PATH, DATA), client.start(PATH, DATA)
        await running.until(lambda: batches.waiting == 3)
        client.reset(reset)
        assert (await client.answer(timed)).status == 4
        await running.until(lambda: batches.waiting == 1)
        assert model.serve(batches) == 1
        assert (await client.answer(left)).status == 0


async def test_results_after_the_connection_are_dropped() -> None:
    batches, model = queue(), StoreModel()
    async with serving(batches) as running:
        async with await running.connect() as client:
            client.start(PATH, DATA)
            await running.until(lambda: batches.waiting == 1)
            batch = batches.take(1)
        assert batch is not None
        model.settle(batch)
        async with await running.connect() as client:
            stream = client.start(PATH, DATA)
            await running.until(lambda: batches.waiting == 1)
            late = batches.take(1)
    assert late is not None
    assert stream
    late.fail(0, "the server is gone")
