"""Unary calls over either transport: answers, metadata, errors, bounds."""

import asyncio
import time
from collections.abc import Callable

import grpc
import grpc.aio
import pytest

from _fastpath.bounds import Bounds
from _fastpath.cells import Series
from _fastpath.counters import CounterTable
from _fastpath.header_spec import NO_HEADERS
from _fastpath.limit_index import limit_index
from _fastpath.plan import Plans
from _fastpath.rls import RateLimitDecider
from _fastpath.rpc import Context, UnaryMethod
from tests.protocol.conftest import Serve
from tests.protocol.methods import SERVICE, Observed
from tollhouse.settings import Transport

Connect = Callable[[str], grpc.aio.Channel]


async def failure(call: grpc.aio.Call) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value


@pytest.mark.parametrize("size", [0, 1, 16_384, 70_000, 3_000_000])
async def test_message_of_any_size_comes_back(serve: Serve, connect: Connect, size: int) -> None:
    served = await serve(Observed().methods())
    message = b"\x00\xffz" * (size // 3) + b"x" * (size % 3)
    assert await connect(served.address).unary_unary(SERVICE + "echo")(message) == message


async def test_many_calls_at_once_keep_their_answers(serve: Serve, connect: Connect) -> None:
    served = await serve(Observed().methods())
    echo = connect(served.address).unary_unary(SERVICE + "echo")
    messages = [b"%d" % number for number in range(500)]
    assert list(await asyncio.gather(*(echo(message) for message in messages))) == messages


async def test_metadata_travels_both_ways(serve: Serve, connect: Connect) -> None:
    observed = Observed()
    served = await serve(observed.methods())
    call = connect(served.address).unary_unary(SERVICE + "echo")(
        b"four", metadata=(("x-one", "1"), ("x-one", "2"), ("y-bin", b"\x00\x01\xff"))
    )
    await call
    got = [item for item in observed.contexts[0].metadata if item[0] in ("x-one", "y-bin")]
    assert got == [("x-one", "1"), ("x-one", "2"), ("y-bin", b"\x00\x01\xff")]
    trailing = {str(key): value for key, value in await call.trailing_metadata() or ()}
    assert (trailing["seen"], trailing["raw-bin"]) == ("4", b"\x00\xff")


async def test_handler_knows_clocks_deadline_and_peer(serve: Serve, connect: Connect) -> None:
    observed = Observed()
    served = await serve(observed.methods())
    echo = connect(served.address).unary_unary(SERVICE + "echo")
    before = time.monotonic_ns(), time.time_ns()
    await echo(b"", timeout=30)
    await echo(b"")
    bounded, unbounded = observed.contexts
    assert before[0] <= bounded.mono_ns <= time.monotonic_ns()
    assert before[1] <= bounded.wall_ns <= time.time_ns()
    assert bounded.deadline_ns is not None
    assert 25e9 < bounded.deadline_ns - bounded.mono_ns <= 30.1e9
    assert unbounded.deadline_ns is None
    assert "127.0.0.1" in bounded.peer
    assert bounded.generation == 0


@pytest.mark.parametrize("code", range(1, 17))
async def test_status_and_message_reach_the_caller(
    serve: Serve, connect: Connect, code: int
) -> None:
    served = await serve(Observed().methods())
    message = "50% of “Größe”\nare\ttoo much"
    error = await failure(
        connect(served.address).unary_unary(SERVICE + "fail")(f"{code} {message}".encode())
    )
    assert error.code().value[0] == code
    assert error.details() == message
    assert ("why", "asked") in [tuple(item) for item in error.trailing_metadata() or ()]


async def test_crash_is_internal_and_keeps_its_secret(
    serve: Serve, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    served = await serve(Observed().methods())
    channel = connect(served.address)
    error = await failure(channel.unary_unary(SERVICE + "crash")(b""))
    assert error.code() is grpc.StatusCode.INTERNAL
    assert "secret" not in (error.details() or "")
    assert "a secret detail" in caplog.text
    assert await channel.unary_unary(SERVICE + "echo")(b"alive") == b"alive"


@pytest.mark.parametrize("path", ["/protocol.Test/none", "/none/echo", "/echo", "//"])
async def test_unknown_method_is_unimplemented(serve: Serve, connect: Connect, path: str) -> None:
    served = await serve(Observed().methods())
    error = await failure(connect(served.address).unary_unary(path)(b""))
    assert error.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_message_past_the_bound_is_refused(serve: Serve, connect: Connect) -> None:
    served = await serve(Observed().methods(), bounds=Bounds(message_bytes=1000))
    echo = connect(served.address).unary_unary(SERVICE + "echo")
    assert len(await echo(b"x" * 1000)) == 1000
    error = await failure(echo(b"x" * 1001))
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert await echo(b"alive") == b"alive"


async def test_compressed_message_is_refused_or_read(serve: Serve, connect: Connect) -> None:
    """The native transport reads no compression and says so; grpcio reads it."""
    served = await serve(Observed().methods())
    echo = connect(served.address).unary_unary(SERVICE + "echo")
    call = echo(b"x" * 1000, compression=grpc.Compression.Gzip)
    try:
        assert await call == b"x" * 1000
    except grpc.aio.AioRpcError as error:
        assert error.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_passed_deadline_cancels_the_handler(serve: Serve, connect: Connect) -> None:
    observed = Observed()
    served = await serve(observed.methods())
    error = await failure(connect(served.address).unary_unary(SERVICE + "hang")(b"", timeout=0.2))
    assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    async with asyncio.timeout(5):
        await observed.cancelled.wait()


async def test_cancel_by_the_caller_cancels_the_handler(serve: Serve, connect: Connect) -> None:
    observed = Observed()
    served = await serve(observed.methods())
    channel = connect(served.address)
    call = channel.unary_unary(SERVICE + "hang")(b"")
    async with asyncio.timeout(5):
        await observed.entered.wait()
        call.cancel()
        await observed.cancelled.wait()
    assert await channel.unary_unary(SERVICE + "echo")(b"alive") == b"alive"


async def test_native_handler_answers_and_fails(
    serve: Serve, connect: Connect, transport: Transport
) -> None:
    async def unused(request: bytes, context: Context) -> bytes:
        raise AssertionError("nothing was deferred")

    plans, series = Plans(1), Series(1)
    decider = RateLimitDecider(plans, CounterTable(), series, headers=NO_HEADERS, statuses=False)
    method = UnaryMethod(SERVICE + "native", unused, native=decider.should_rate_limit)
    served = await serve([method])
    native = connect(served.address).unary_unary(method.path)
    domain_only = b"\x0a\x01d"
    assert (await failure(native(domain_only))).code() is grpc.StatusCode.UNAVAILABLE
    plans.publish(limit_index({}), None)
    assert await native(domain_only) == b"\x08\x01"
    assert (await failure(native(b"\x0a\x05d"))).code() is grpc.StatusCode.INTERNAL
