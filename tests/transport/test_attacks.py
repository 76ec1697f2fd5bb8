"""Known HTTP/2 attacks: the attacker is cut or held, memory stays bounded, others are served."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    Frame,
    HeadersFrame,
    PingFrame,
    PriorityFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

from _fastpath.bounds import Bounds
from transport.native_server import ECHO, HANG, NATIVE, PUSH, Running, serving
from transport.raw_client import Client, framed, request_headers

GROWTH_BYTES = 64 << 20  # what an attack may cost; arbitrary, an unbounded one costs far more


def resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


@asynccontextmanager
async def under_attack(bounds: Bounds | None = None) -> AsyncIterator[tuple[Running, Client]]:
    """A server and the attacker's connection; in the end another connection must be served."""
    async with (
        serving(bounds=bounds) as running,
        await running.connect() as bystander,
        await running.connect() as attacker,
    ):
        assert (await bystander.call(ECHO, b"before")).status == 0
        before = resident_bytes()
        yield running, attacker
        assert (await bystander.call(ECHO, b"after")).messages == [b"after"]
        assert (await bystander.call(NATIVE, b"after")).status == 0
        if "san.so" not in os.environ.get("LD_PRELOAD", ""):  # sanitizers keep what is freed
            assert resident_bytes() - before < GROWTH_BYTES


async def flood(attacker: Client, batches: Iterable[list[Frame]]) -> bool:
    """Send until the server ends the connection; False when it never did."""
    for frames in batches:
        attacker.send(*frames)
        if not await attacker.drained():
            return True
        await asyncio.sleep(0)
    try:
        await attacker.until_closed(2)
    except TimeoutError:
        return False
    return True


def batches(make: Callable[[], list[Frame]], count: int, size: int = 100) -> Iterable[list[Frame]]:
    for _ in range(count // size):
        yield [frame for _ in range(size) for frame in make()]


@pytest.mark.parametrize("path", [NATIVE, HANG])
async def test_rapid_reset_is_cut(path: str) -> None:
    async with under_attack() as (running, attacker):

        def open_and_reset() -> list[Frame]:
            stream = attacker.new_stream()
            return [
                attacker.header_frame(stream, request_headers(path)),
                DataFrame(stream, data=framed(b""), flags=["END_STREAM"]),
                RstStreamFrame(stream, error_code=8),
            ]

        assert await flood(attacker, batches(open_and_reset, 20_000))
        assert running.stat("abusive") == 1
        await attacker.until_closed()
        await running.until(lambda: running.stat("python_calls") == 0)


async def test_resets_that_the_server_is_made_to_send_are_cut() -> None:
    """WINDOW_UPDATE past 2^31-1 on a stream makes the server reset it."""
    async with under_attack() as (running, attacker):

        def overflow() -> list[Frame]:
            stream = attacker.new_stream()
            return [
                attacker.header_frame(stream, request_headers(HANG)),
                DataFrame(stream, data=framed(b""), flags=["END_STREAM"]),
                WindowUpdateFrame(stream, window_increment=2**31 - 1),
            ]

        assert await flood(attacker, batches(overflow, 20_000))
        assert running.stat("abusive") == 1


async def test_malformed_requests_in_series_are_cut() -> None:
    async with under_attack() as (running, attacker):

        def malformed() -> list[Frame]:
            stream = attacker.new_stream()
            return [attacker.header_frame(stream, [(":method", "POST")], "END_STREAM")]

        assert await flood(attacker, batches(malformed, 20_000))
        assert running.stat("abusive") == 1


async def test_continuation_flood_is_cut() -> None:
    async with under_attack() as (_running, attacker):
        stream = attacker.new_stream()
        block = attacker.encoder.encode(request_headers(NATIVE))
        attacker.send(HeadersFrame(stream, data=block))
        noise = attacker.encoder.encode([("x-noise", "n" * 4000)])
        assert await flood(
            attacker, ([ContinuationFrame(stream, data=noise)] for _ in range(20_000))
        )


async def test_header_list_past_the_bound_is_answered() -> None:
    async with under_attack(Bounds(header_list_bytes=8192)) as (_running, attacker):
        answer = await attacker.call(NATIVE, b"", *[(f"x-{n}", "v" * 1000) for n in range(10)])
        assert answer.status == 8
        assert (await attacker.call(NATIVE, b"")).status == 0
        assert attacker.settings[6] == 8192


async def test_compressed_headers_do_not_expand_in_memory() -> None:
    """One-byte references to a 4 kB header: a bomb of 65 MB per request."""
    async with under_attack() as (_running, attacker):
        bomb = ("x-bomb", "b" * 3900)
        for _ in range(10):
            stream = attacker.new_stream()
            headers = [*request_headers(NATIVE), *[bomb] * 16_000]
            block = attacker.encoder.encode(headers)
            parts = [block[at : at + 16_000] for at in range(0, len(block), 16_000)]
            frames: list[Frame] = [HeadersFrame(stream, data=parts[0])]
            frames += [ContinuationFrame(stream, data=part) for part in parts[1:]]
            frames[-1].flags.add("END_HEADERS")
            attacker.send(*frames)
            attacker.data(stream, framed(b""), end=True)
            assert (await attacker.answer(stream)).status == 8


@pytest.mark.parametrize(
    "frame",
    [
        SettingsFrame(0, settings={4: 65_535}),
        PingFrame(0, opaque_data=b"flooding"),
        PriorityFrame(1001, depends_on=0, stream_weight=3),
    ],
    ids=["settings", "ping", "priority"],
)
async def test_control_frame_flood_is_cut(frame: Frame) -> None:
    async with under_attack() as (running, attacker):
        assert await flood(attacker, batches(lambda: [frame], 50_000, 500))
        assert running.stat("abusive") == 1


async def test_pings_in_step_with_data_are_no_flood() -> None:
    """gRPC clients send a PING per burst of data to estimate the bandwidth."""
    async with under_attack(Bounds(pings_per_second=20)) as (running, client):
        for _ in range(200):
            assert (await client.call(NATIVE, b"")).status == 0
            await client.ping()
        assert running.stat("abusive") == 0


async def test_empty_data_flood_is_cut() -> None:
    async with under_attack() as (running, attacker):
        stream = attacker.open(NATIVE)
        empty = DataFrame(stream, data=b"")
        assert await flood(attacker, batches(lambda: [empty], 50_000, 500))
        assert running.stat("abusive") == 1


async def test_peer_that_reads_nothing_is_held_then_closed() -> None:
    """Windows wide open, but nothing is taken from the socket."""
    bounds = Bounds(stalled_output_seconds=0.5, connection_output_bytes=1 << 20)
    async with under_attack(bounds) as (running, attacker):
        running.service.push_bytes = 20_000
        attacker.task.cancel()
        attacker.writer.transport.pause_reading()  # type: ignore[attr-defined]
        attacker.send(SettingsFrame(0, settings={4: 2**31 - 1}))
        attacker.grant(0, 2**31 - 1 - 65_535)
        for _ in range(50):
            attacker.open(PUSH, end=True)
        await running.until(lambda: running.stat("connections") == 1)
        await running.until(lambda: running.service.cancelled == 50)
        # What the kernel's socket buffers took, plus the bound.
        assert running.service.pushed * 20_000 < (32 << 20)


async def test_peer_without_window_holds_no_more_than_its_bound() -> None:
    async with under_attack(Bounds(connection_output_bytes=1 << 20)) as (running, attacker):
        attacker.send(SettingsFrame(0, settings={4: 0}))
        for _ in range(200):
            attacker.start(ECHO, bytes(50_000))
            if not await attacker.drained():
                break
        await attacker.until_closed()
        await running.until(lambda: running.stat("connections") == 1)


async def test_streaming_peer_without_window_is_only_held() -> None:
    async with under_attack(Bounds(connection_output_bytes=1 << 20)) as (running, attacker):
        attacker.send(SettingsFrame(0, settings={4: 0}))
        for _ in range(500):
            attacker.open(PUSH, end=True)
        await running.until(lambda: running.service.started == 500)
        await attacker.ping()
        assert running.service.pushed < 1200


async def test_unfinished_requests_are_refused_at_the_connection_bound() -> None:
    bounds = Bounds(connection_request_bytes=1 << 20)
    async with under_attack(bounds) as (running, attacker):
        streams = [attacker.open(ECHO) for _ in range(10)]
        for stream in streams:
            attacker.data(stream, framed(bytes(100_000))[:-1])
        await attacker.until(lambda: any(attacker.answers[stream].done for stream in streams))
        refused = [stream for stream in streams if attacker.answers[stream].done]
        assert {attacker.answers[stream].status for stream in refused} == {8}
        assert running.stat("request_bytes_held") <= 1 << 20
        for stream in set(streams) - set(refused):
            attacker.data(stream, b"\0", end=True)
            assert (await attacker.answer(stream)).status == 0
        await running.until(lambda: running.stat("request_bytes_held") == 0)


async def test_unfinished_requests_are_refused_at_the_process_bound() -> None:
    bounds = Bounds(process_request_bytes=1 << 20)
    async with serving(bounds=bounds) as running:
        clients = [await running.connect() for _ in range(4)]
        streams = [(client, client.open(ECHO)) for client in clients for _ in range(4)]
        for client, stream in streams:
            client.data(stream, framed(bytes(90_000))[:-1])
        for client in clients:
            await client.ping()
        assert running.stat("request_bytes_held") <= (1 << 20) + 16_384
        refused = [pair for pair in streams if pair[0].answers[pair[1]].done]
        assert refused
        assert {client.answers[stream].status for client, stream in refused} == {8}
        for client, stream in streams:
            if not client.answers[stream].done:
                client.data(stream, b"\0", end=True)
                assert (await client.answer(stream)).status == 0
        for client in clients:
            assert (await client.call(ECHO, b"now")).messages == [b"now"]
            await client.close()


async def test_short_memory_withholds_windows_and_opens_them_again() -> None:
    """Past three quarters of the process bound a growing request waits; then it completes."""
    bounds = Bounds(process_request_bytes=400_000, stream_window_bytes=100_000)
    async with (
        serving(bounds=bounds) as running,
        await running.connect() as holder,
        await running.connect() as client,
    ):
        held = [holder.open(ECHO) for _ in range(4)]
        for stream in held:
            holder.data(stream, framed(bytes(78_000))[:-1])
        await holder.ping()
        stream = client.open(ECHO)
        client.data(stream, framed(bytes(120_000))[:60_000])
        await client.ping()
        assert not client.answers[stream].done
        assert [pair for pair in client.window_updates if pair[0] == stream] == []
        for waiting in held:
            holder.reset(waiting)
        await client.until(lambda: any(pair[0] == stream for pair in client.window_updates))
        client.data(stream, framed(bytes(120_000))[60_000:], end=True)
        assert (await client.answer(stream)).status == 0
