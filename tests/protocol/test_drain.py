"""The orderly end of either transport."""

import asyncio
from collections.abc import Callable

import grpc
import grpc.aio
import pytest

from tests.protocol.conftest import Serve
from tests.protocol.methods import SERVICE, Observed

Connect = Callable[[str], grpc.aio.Channel]


async def test_running_calls_finish_and_new_ones_are_refused(
    serve: Serve, connect: Connect
) -> None:
    observed = Observed()
    served = await serve(observed.methods())
    channel = connect(served.address)
    running = asyncio.ensure_future(channel.unary_unary(SERVICE + "hang")(b""))
    async with asyncio.timeout(10):
        await observed.entered.wait()
        draining = asyncio.create_task(served.drain(9))
        await asyncio.sleep(0.1)
        assert not draining.done()
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await connect(served.address).unary_unary(SERVICE + "echo")(b"", timeout=1)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        observed.release.set()
        assert await running == b"released"
        await draining


async def test_drain_without_calls_is_prompt(serve: Serve, connect: Connect) -> None:
    served = await serve(Observed().methods())
    await connect(served.address).unary_unary(SERVICE + "echo")(b"")
    async with asyncio.timeout(5):
        await served.drain(60)


@pytest.mark.parametrize("method", ["hang", "linger"])
async def test_calls_past_the_grace_period_are_ended(
    serve: Serve, connect: Connect, method: str
) -> None:
    observed = Observed()
    served = await serve(observed.methods())
    call = connect(served.address).unary_stream(SERVICE + method)(b"")
    async with asyncio.timeout(5):
        await observed.entered.wait()
        await served.drain(0.2)
        await observed.cancelled.wait()
        with pytest.raises(grpc.aio.AioRpcError):
            await call.read()
