"""Streaming handlers and time: half-close, cancel, deadline, drain; late answers are not sent."""

import asyncio
import time
from typing import cast

import pytest

from _fastpath.bounds import Bounds
from _fastpath.rpc import Context, UnaryMethod
from _fastpath.server import Server
from transport.native_server import (
    ECHO,
    FAIL,
    HANG,
    NATIVE,
    PUSH,
    STREAM,
    Running,
    Service,
    serving,
)
from transport.raw_client import Client, framed


async def test_stream_echoes_in_order_and_sees_half_close(running: Running) -> None:
    async with await running.connect() as client:
        stream = client.open(STREAM)
        client.data(stream, framed(b"a") + framed(b"b")[:3])
        client.data(stream, framed(b"b")[3:])
        await client.until(lambda: client.answers[stream].messages == [b"a", b"b"])
        client.data(stream, framed(b"c"), end=True)
        answer = await client.answer(stream)
    assert answer.messages == [b"a", b"b", b"c", b"end"]
    assert answer.status == 0


async def test_peer_reset_cancels_the_handlers(running: Running) -> None:
    async with await running.connect() as client:
        streams = [client.open(STREAM), client.start(HANG, b"")]
        await running.until(lambda: running.service.started == 2)
        for stream in streams:
            client.reset(stream)
        await running.until(lambda: running.service.cancelled == 2)
    assert running.stat("python_calls") == 0


async def test_lost_connection_cancels_the_handlers(running: Running) -> None:
    client = await running.connect()
    client.open(STREAM)
    client.start(HANG, b"")
    client.open(PUSH, end=True)
    await running.until(lambda: running.service.started == 3)
    await client.close()
    await running.until(lambda: running.service.cancelled == 3)
    await running.until(lambda: running.stat("python_calls") == 0)


@pytest.mark.parametrize("path", [HANG, STREAM])
async def test_deadline_ends_the_call_and_cancels_the_handler(running: Running, path: str) -> None:
    async with await running.connect() as client:
        stream = client.open(path, ("grpc-timeout", "30m"))
        client.data(stream, framed(b"x"), end=path == HANG)
        answer = await client.answer(stream)
        assert answer.status == 4
    await running.until(lambda: running.service.cancelled == 1)
    assert running.stat("timed_out") == 1


async def test_deadline_reaches_the_handler_as_monotonic_time(running: Running) -> None:
    async with await running.connect() as client:
        await client.call(ECHO, b"", ("grpc-timeout", "100S"))
    (context,) = running.service.contexts
    assert context.deadline_ns is not None
    assert 99e9 < context.deadline_ns - context.mono_ns <= 100e9


@pytest.mark.parametrize("path", [NATIVE, ECHO])
async def test_passed_deadline_gets_no_answer(running: Running, path: str) -> None:
    async with await running.connect() as client:
        answer = await client.call(path, b"x", ("grpc-timeout", "1n"))
    assert answer.status == 4
    assert answer.messages == []


async def test_deadline_ends_a_request_that_never_completes(running: Running) -> None:
    async with await running.connect() as client:
        stream = client.open(NATIVE, ("grpc-timeout", "30m"))
        client.data(stream, framed(b"whole")[:-1])
        assert (await client.answer(stream)).status == 4
    await running.until(lambda: running.stat("request_bytes_held") == 0)


@pytest.mark.parametrize("value", ["", "5", "m", "123456789m", "1x", "-1m", "1.5S"])
async def test_malformed_timeout_is_refused(running: Running, value: str) -> None:
    async with await running.connect() as client:
        answer = await client.call(NATIVE, b"", ("grpc-timeout", value))
    assert answer.status == 13


@pytest.mark.parametrize("value", ["99999999H", "1M", "2S", "500m", "99999999u"])
async def test_timeout_units_are_understood(running: Running, value: str) -> None:
    async with await running.connect() as client:
        assert (await client.call(ECHO, b"", ("grpc-timeout", value))).status == 0


async def test_thousands_of_timeouts_per_second_keep_the_connection(running: Running) -> None:
    """Envoy resets a call at its deadline with code 2; most calls here end so."""
    calls = 6000
    async with await running.connect() as client:
        for start in range(0, calls, 500):
            streams = [client.start(HANG, b"", ("grpc-timeout", "1m")) for _ in range(500)]
            await asyncio.sleep(0.002)
            for stream in streams:
                client.reset(stream, 2)
            assert await client.drained()
            if start % 2000 == 0:
                assert (await client.call(NATIVE, b"")).status == 0
        assert (await client.call(ECHO, b"alive")).messages == [b"alive"]
        assert client.goaways == []
    assert running.stat("abusive") == 0
    await running.until(lambda: running.stat("python_calls") == 0)


async def test_quick_resets_of_some_calls_keep_the_connection(running: Running) -> None:
    """A client that cancels every third call at once is impatient, not hostile."""
    async with await running.connect() as client:
        for _ in range(20):
            streams = [client.start(ECHO, b"") for _ in range(150)]
            for stream in streams[::3]:
                client.reset(stream)
            await client.answer(streams[-1])
        assert client.goaways == []


async def test_drain_lets_calls_finish_and_announces_the_last_stream() -> None:
    async with serving() as running:
        running.service.take.clear()
        async with await running.connect() as client:
            stream = client.open(STREAM)
            client.data(stream, framed(b"x"), end=True)
            await running.until(lambda: running.service.started)
            draining = asyncio.create_task(running.server.drain(10))
            await client.until(lambda: client.goaways)
            assert client.goaways[0] == (2**31 - 1, 0)
            late = client.start(NATIVE, b"between the two notices or after them")
            await client.until(lambda: len(client.goaways) == 2)
            last, code = client.goaways[1]
            assert code == 0
            assert last in (stream, late)
            assert not draining.done()
            running.service.take.set()
            answer = await client.answer(stream)
            assert answer.messages == [b"x", b"end"]
            await client.until_closed()
            await draining


async def test_drain_ends_streams_after_the_grace_period() -> None:
    async with serving() as running, await running.connect() as client:
        stream = client.open(STREAM)
        await running.until(lambda: running.service.started)
        await running.server.drain(0.05)
        await client.until_closed()
        assert running.service.cancelled == 1
        assert client.answers[stream].status == 14


async def test_calls_waiting_for_the_interpreter_are_bounded_by_count() -> None:
    async with (
        serving(bounds=Bounds(handover_calls=10)) as running,
        await running.connect() as client,
    ):
        streams = [client.start(HANG, b"") for _ in range(25)]
        await client.until(lambda: sum(client.answers[s].done for s in streams) == 15)
        statuses = {client.answers[s].status for s in streams if client.answers[s].done}
        assert statuses == {14}
        assert running.stat("overloaded") == 15
        assert (await client.call(NATIVE, b"")).status == 0
        for stream in streams:
            client.reset(stream)
        await running.until(lambda: running.stat("python_calls") == 0)
        assert (await client.call(ECHO, b"again")).messages == [b"again"]


async def test_calls_waiting_for_the_interpreter_are_bounded_by_bytes() -> None:
    async with (
        serving(bounds=Bounds(handover_bytes=100_000)) as running,
        await running.connect() as client,
    ):
        streams = [client.start(HANG, bytes(30_000)) for _ in range(5)]
        await client.until(lambda: sum(client.answers[s].done for s in streams) == 2)
        assert running.stat("overloaded") == 2
        assert (await client.call(FAIL, b"5:found nothing")).status == 5


async def test_method_may_name_its_answer_to_overload() -> None:
    """ext_authz denies with 503 instead of failing the call."""
    service = Service()
    method = UnaryMethod(ECHO, service.hang, overload=b"denied")
    server = Server([method], threads=1, bounds=Bounds(handover_calls=1))
    address = server.listen("127.0.0.1:0")
    server.start()
    async with await Client.connect(address) as client:
        client.start(ECHO, b"")
        assert (await client.call(ECHO, b"")).messages == [b"denied"]
    await server.drain(0)


async def test_calls_that_waited_too_long_are_refused() -> None:
    """While the loop stands still, calls grow old; those behind them are refused at once."""
    async with (
        serving(bounds=Bounds(handover_age_seconds=0.2)) as running,
        await running.connect() as client,
    ):
        await client.ping()
        streams = [client.start(ECHO, b"early") for _ in range(3)]
        await client.drained()
        time.sleep(0.3)  # noqa: ASYNC251 - the loop is to stand still
        for stream in streams:
            assert (await client.answer(stream)).status == 14
        assert (await client.call(ECHO, b"later")).messages == [b"later"]


async def test_cancellation_reaches_a_handler_inside_its_yield(running: Running) -> None:
    async with await running.connect(windows=False) as client:
        stream = client.open(PUSH, end=True)
        await client.until(lambda: len(client.answers[stream].body) == 65_535)
        await running.until(lambda: running.service.pushed > 100)
        client.reset(stream)
        await running.until(lambda: running.service.cancelled == 1)


async def test_answer_that_is_no_bytes_is_an_internal_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def wrong(request: bytes, context: Context) -> bytes:
        return cast(bytes, "text")

    async def unsendable(request: bytes, context: Context) -> bytes:
        context.set_trailing_metadata((("Upper", "x"),))
        return b""

    methods = [UnaryMethod("/t/Wrong", wrong), UnaryMethod("/t/Unsendable", unsendable)]
    server = Server(methods, threads=1)
    address = server.listen("127.0.0.1:0")
    server.start()
    async with await Client.connect(address) as client:
        for method in methods:
            assert (await client.call(method.path, b"")).status == 13
    await server.drain(0)
    assert "TypeError" in caplog.text
    assert "ValueError" in caplog.text
