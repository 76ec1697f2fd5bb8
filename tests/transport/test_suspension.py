"""Native calls that wait for a result: resumed by batch, on their thread, or let go."""

import asyncio
import importlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from _fastpath.rpc import Context, UnaryMethod
from _fastpath.server import Server
from transport.native_build import build
from transport.native_server import Running, Service
from transport.raw_client import connections

pytestmark = pytest.mark.slow  # they compile an extension first
BATCH = "/test.Service/Batch"


@pytest.fixture(scope="module")
def backend(tmp_path_factory: pytest.TempPathFactory) -> Any:
    into = tmp_path_factory.mktemp("native")
    build("batch_backend", ["nghttp2"], into)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(into)
        yield importlib.import_module("batch_backend")


@asynccontextmanager
async def serving(
    native: Any,
    threads: int,
    handler: Callable[[bytes, Context], Awaitable[bytes]] | None = None,
) -> AsyncIterator[Running]:
    service = Service()
    method = UnaryMethod(BATCH, handler or service.echo, native=native)
    server = Server([*service.methods(), method], threads=threads)
    address = server.listen("127.0.0.1:0")
    server.start()
    try:
        yield Running(server, service, address)
    finally:
        await server.drain(0)


async def test_batch_resumes_calls_of_all_threads(backend: Any) -> None:
    native = backend.BatchBackend(2)
    async with serving(native, 2) as running, connections(running.address, 4) as clients:
        calls = [
            (client, client.start(BATCH, b"a%d" % number))
            for client in clients
            for number in range(50)
        ]
        await running.until(lambda: native.waiting == 200)
        assert running.stat("suspended") == 200
        assert native.flush(b"result-") == 200
        for number, (client, stream) in enumerate(calls):
            answer = await client.answer(stream)
            assert answer.messages == [b"result-a%d" % (number % 50)]
            assert answer.status == 0
    assert backend.kept() == 0


async def test_continuation_may_suspend_again(backend: Any) -> None:
    native = backend.BatchBackend(1)
    async with serving(native, 1) as running, await running.connect() as client:
        stream = client.start(BATCH, b"t")
        for result in (b"1", b"2"):
            await running.until(lambda: native.waiting == 1)
            native.flush(result)
        assert (await client.answer(stream)).messages == [b"2t"]
    assert backend.kept() == 0


async def test_continuation_may_defer_with_its_first_clocks(backend: Any) -> None:
    native = backend.BatchBackend(1)
    seen: list[Context] = []

    async def decide(request: bytes, context: Context) -> bytes:
        seen.append(context)
        return b"python"

    async with serving(native, 1, decide) as running, await running.connect() as client:
        stream = client.start(BATCH, b"d")
        await running.until(lambda: native.waiting == 1)
        suspended_ns = time.monotonic_ns()
        native.flush(b"")
        assert (await client.answer(stream)).messages == [b"python"]
        assert seen[0].mono_ns < suspended_ns
        assert seen[0].generation == 77


async def test_late_results_of_cancelled_calls_are_dropped(backend: Any) -> None:
    native = backend.BatchBackend(1)
    async with serving(native, 1) as running:
        async with await running.connect() as client:
            reset, timed = (
                client.start(BATCH, b"a"),
                client.start(BATCH, b"a", ("grpc-timeout", "30m")),
            )
            await running.until(lambda: native.waiting == 2)
            client.reset(reset)
            assert (await client.answer(timed)).status == 4
            await client.ping()
            assert backend.kept() == 0
            native.flush(b"late")
            stream = client.start(BATCH, b"a")
            await running.until(lambda: native.waiting == 1)
            native.flush(b"fresh-")
            assert (await client.answer(stream)).messages == [b"fresh-a"]
            client.start(BATCH, b"a")
            await running.until(lambda: native.waiting == 1)
        await running.until(lambda: backend.kept() == 0)
        native.flush(b"the connection is gone")
        async with await running.connect() as client:
            client.start(BATCH, b"a")
            await running.until(lambda: native.waiting == 1)
    native.flush(b"the server is gone")
    assert backend.kept() == 0


async def test_suspended_call_from_python_is_awaitable(backend: Any) -> None:
    native = backend.BatchBackend(0)
    calls = [asyncio.create_task(native.decide(b"a%d" % n, 5, 6)) for n in range(10)]
    while native.waiting < 10:  # noqa: ASYNC110 - nothing tells
        await asyncio.sleep(0)
    await asyncio.to_thread(native.flush, b"r-")
    answers = await asyncio.gather(*calls)
    assert answers == [("answer", b"r-a%d" % n, 0, "", 77) for n in range(10)]
    assert backend.kept() == 0


async def test_cancelled_call_from_python_lets_go(backend: Any) -> None:
    native = backend.BatchBackend(0)
    call = asyncio.create_task(native.decide(b"a", 5, 6))
    await asyncio.sleep(0)
    assert native.waiting == 1
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert backend.kept() == 0
    native.flush(b"late")
    assert native(b"a", 5, 6)[0] == "suspended"
    assert backend.kept() == 0


async def test_python_call_may_suspend_twice_or_defer(backend: Any) -> None:
    native = backend.BatchBackend(0)
    for request, rounds, outcome in ((b"t", 2, "answer"), (b"d", 1, "deferred")):
        call = asyncio.create_task(native.decide(request, 5, 6))
        for _ in range(rounds):
            while not native.waiting:  # noqa: ASYNC110 - nothing tells
                await asyncio.sleep(0)
            native.flush(b"x")
        assert (await call)[0] == outcome
    assert backend.kept() == 0
