"""Streaming calls over either transport: order, half-close, flow control, ends."""

import asyncio
from collections.abc import AsyncIterator, Callable

import grpc
import grpc.aio
import pytest

from tests.protocol.conftest import Serve
from tests.protocol.methods import MESSAGE, SERVICE, Observed

Connect = Callable[[str], grpc.aio.Channel]


async def test_messages_are_answered_in_order_until_half_close(
    serve: Serve, connect: Connect
) -> None:
    observed = Observed()
    served = await serve(observed.methods())
    call = connect(served.address).stream_stream(SERVICE + "chat")()
    for word in (b"one", b"two"):
        await call.write(word)
        assert await call.read() == word.upper()
    assert not observed.half_closed
    await call.done_writing()
    assert await call.read() == b"bye"
    assert await call.read() is grpc.aio.EOF
    assert observed.received == [b"one", b"two"]


async def test_server_stream_takes_one_request(serve: Serve, connect: Connect) -> None:
    served = await serve(Observed().methods())
    call = connect(served.address).unary_stream(SERVICE + "flood")(b"3")
    assert [message async for message in call] == [MESSAGE] * 3


async def test_handler_waits_while_the_peer_does_not_read(serve: Serve, connect: Connect) -> None:
    observed = Observed()
    served = await serve(observed.methods())
    call = connect(served.address).unary_stream(SERVICE + "flood")(b"5000")
    assert await call.read() == MESSAGE
    before = -1
    while observed.yielded != before:
        before = observed.yielded
        await asyncio.sleep(0.3)
    assert observed.yielded < 2500
    count = 1
    while await call.read() is not grpc.aio.EOF:
        count += 1
    assert count == 5000


async def test_peer_waits_while_the_handler_does_not_read(serve: Serve, connect: Connect) -> None:
    observed = Observed()
    served = await serve(observed.methods())
    sent = 0

    async def requests() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            yield MESSAGE
            sent += 1

    call = connect(served.address).stream_stream(SERVICE + "linger")(requests())
    before = -1
    while sent != before:
        before = sent
        await asyncio.sleep(0.3)
    assert sent < 2500
    observed.release.set()
    assert await call.read() == b"released"
    call.cancel()


async def test_large_messages_pass_both_ways(serve: Serve, connect: Connect) -> None:
    served = await serve(Observed().methods())
    call = connect(served.address).stream_stream(SERVICE + "chat")()
    for _ in range(20):
        await call.write(b"a" * 1_000_000)
        assert await call.read() == b"A" * 1_000_000
    await call.done_writing()


async def test_error_after_messages_ends_the_stream(serve: Serve, connect: Connect) -> None:
    served = await serve(Observed().methods())
    call = connect(served.address).unary_stream(SERVICE + "break_off")(b"")
    assert await call.read() == b"first"
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call.read()
    assert (caught.value.code(), caught.value.details()) == (grpc.StatusCode.ABORTED, "enough")


async def test_cancel_by_the_caller_cancels_the_stream(serve: Serve, connect: Connect) -> None:
    observed = Observed()
    served = await serve(observed.methods())
    call = connect(served.address).unary_stream(SERVICE + "linger")(b"")
    async with asyncio.timeout(5):
        await observed.entered.wait()
        call.cancel()
        await observed.cancelled.wait()


async def test_deadline_ends_the_stream(serve: Serve, connect: Connect) -> None:
    observed = Observed()
    served = await serve(observed.methods())
    call = connect(served.address).unary_stream(SERVICE + "linger")(b"", timeout=0.2)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call.read()
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    async with asyncio.timeout(5):
        await observed.cancelled.wait()
