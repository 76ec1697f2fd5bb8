"""Windows in both directions: no stall with any peer window, updates in bulk, memory as granted."""

import pytest
from hyperframe.frame import DataFrame, SettingsFrame

from _fastpath.bounds import Bounds
from transport.native_server import ECHO, FAIL, NATIVE, PUSH, STREAM, Running, serving
from transport.raw_client import Client, framed

INITIAL_WINDOW = 4  # of SETTINGS


@pytest.mark.parametrize("window", [0, 1, 6, 100])
async def test_any_stream_window_lets_the_answer_through(running: Running, window: int) -> None:
    async with await running.connect(settings={INITIAL_WINDOW: window}) as client:
        stream = client.start(ECHO, b"0123456789" * 3)
        answer = client.answers[stream]
        client.grant(stream, 1)
        whole = await client.answer(stream)
    assert whole is answer
    assert whole.messages == [b"0123456789" * 3]
    assert whole.status == 0


async def test_exhausted_connection_window_only_delays(running: Running) -> None:
    async with await running.connect(windows=False) as client:
        streams = [client.start(ECHO, bytes(10_000)) for _ in range(10)]
        await client.until(
            lambda: sum(len(client.answers[stream].body) for stream in streams) == 65_535
        )
        await client.ping()
        assert not all(client.answers[stream].done for stream in streams)
        client.grant(0, 100_000)
        for stream in streams:
            assert (await client.answer(stream)).messages == [bytes(10_000)]


async def test_window_opened_by_settings_reaches_waiting_streams(running: Running) -> None:
    async with await running.connect(settings={INITIAL_WINDOW: 0}) as client:
        stream = client.start(NATIVE, b"")
        await client.ping()
        client.send(SettingsFrame(0, settings={INITIAL_WINDOW: 1000}))
        assert (await client.answer(stream)).status == 0


async def test_updates_come_in_bulk(running: Running) -> None:
    """20 MB of small requests need a handful of WINDOW_UPDATE frames, not one per request."""
    async with await running.connect() as client:
        message = framed(bytes(10_000))
        for _ in range(20):
            streams = [client.open(NATIVE) for _ in range(100)]
            for stream in streams:
                client.data(stream, message, end=True)
            for stream in streams:
                assert (await client.answer(stream)).status == 0
        assert len(client.window_updates) < 20


async def test_padding_is_given_back(running: Running) -> None:
    async with await running.connect() as client:
        for _ in range(60):
            stream = client.open(NATIVE)
            client.send(
                *(DataFrame(stream, data=b"", pad_length=255, flags=["PADDED"]) for _ in range(4)),
                DataFrame(stream, data=framed(b""), flags=["END_STREAM"]),
            )
            assert (await client.answer(stream)).status == 0
        # More padding than both windows hold.
    async with (
        serving(bounds=Bounds(connection_request_bytes=196_608)) as small,
        await small.connect() as client,
    ):
        for _ in range(300):
            stream = client.open(NATIVE)
            pads = (DataFrame(stream, data=b"", pad_length=255, flags=["PADDED"]) for _ in range(4))
            client.send(*pads, DataFrame(stream, data=framed(b""), flags=["END_STREAM"]))
            assert (await client.answer(stream)).status == 0
        assert client.window_updates


async def test_uploads_to_refused_streams_do_not_drain_the_connection_window(
    running: Running,
) -> None:
    """10 MB after the refusal, more than the connection's window, and calls still pass."""
    async with await running.connect() as client:
        for _ in range(10):
            stream = client.open("/test.Service/Nothing")
            client.data(stream, bytes(1_000_000))
            await client.answer(stream)
        assert (await client.call(ECHO, b"still here")).messages == [b"still here"]
    await running.until(lambda: running.stat("request_bytes_held") == 0)


async def upload(client: Client, stream: int, body: bytes, window: int, *, end: bool) -> None:
    """Send `body` within the stream's window, as it opens."""
    sent = seen = 0
    while sent < len(body):
        room = window - sent + sum(n for target, n in client.window_updates if target == stream)
        part = body[sent : sent + min(room, 4096)]
        if part:
            client.data(stream, part, end=end and sent + len(part) == len(body))
            sent += len(part)
        else:
            seen = client.received["WindowUpdateFrame"]
            await client.until(lambda seen=seen: client.received["WindowUpdateFrame"] > seen)


@pytest.mark.parametrize("path", [ECHO, STREAM])
async def test_large_message_passes_a_small_stream_window(path: str) -> None:
    async with (
        serving(bounds=Bounds(stream_window_bytes=10_000)) as running,
        await running.connect() as client,
    ):
        stream = client.open(path)
        await upload(client, stream, framed(bytes(100_000)), 10_000, end=path == ECHO)
        answer = client.answers[stream]
        await client.until(lambda: answer.messages)
        assert answer.messages[0] == bytes(100_000)


async def test_small_messages_after_a_large_one_keep_flowing() -> None:
    """Window given early for the large message is not given again when it is taken."""
    async with (
        serving(bounds=Bounds(stream_window_bytes=10_000)) as running,
        await running.connect() as client,
    ):
        stream = client.open(STREAM)
        messages = [bytes(25_000), *[bytes(900)] * 40, bytes(30_000), *[bytes(500)] * 40]
        body = b"".join(framed(message) for message in messages)
        await upload(client, stream, body, 10_000, end=True)
        assert (await client.answer(stream)).messages == [*messages, b"end"]
        granted = sum(amount for target, amount in client.window_updates if target == stream)
        assert granted <= len(body)


async def test_stream_window_opens_only_as_the_handler_takes() -> None:
    async with serving(bounds=Bounds(stream_window_bytes=10_000)) as running:
        running.service.take.clear()
        async with await running.connect() as client:
            stream = client.open(STREAM)
            for _ in range(9):
                client.data(stream, framed(bytes(995)))
            await running.until(lambda: running.service.started)
            await client.ping()
            assert [pair for pair in client.window_updates if pair[0] == stream] == []
            assert running.stat("request_bytes_held") == 9000
            running.service.take.set()
            await client.until(lambda: len(client.answers[stream].messages) == 9)
            await client.until(lambda: any(pair[0] == stream for pair in client.window_updates))
            await running.until(lambda: running.stat("request_bytes_held") == 0)


async def test_many_tiny_messages_wait_unparsed_and_all_arrive() -> None:
    async with serving() as running:
        running.service.take.clear()
        async with await running.connect() as client:
            stream = client.open(STREAM)
            client.data(stream, framed(b"") * 5000, end=True)
            await client.ping()
            running.service.take.set()
            answer = await client.answer(stream)
            assert len(answer.messages) == 5001
            assert answer.messages[-1] == b"end"


async def test_yield_waits_for_a_peer_that_does_not_read() -> None:
    async with serving(bounds=Bounds(stream_output_bytes=40_000)) as running:
        async with await running.connect(windows=False) as client:
            stream = client.open(PUSH, end=True)
            answer = client.answers[stream]
            await client.until(lambda: len(answer.body) == 65_535)
            await running.until(
                lambda: running.service.pushed >= (65_535 + 40_000 - 16_384) // 1005
            )
            await client.ping()
            before = running.service.pushed
            assert before <= (65_535 + 40_000) // 1005
            client.grant(0, 50_000)
            client.grant(stream, 50_000)
            await client.until(lambda: len(answer.body) == 115_535)
            await running.until(lambda: running.service.pushed > before + 40)
            client.reset(stream)
        await running.until(lambda: running.service.cancelled == 1)


async def test_handlers_share_the_output_bound_of_their_connection() -> None:
    bounds = Bounds(stream_output_bytes=50_000, connection_output_bytes=200_000)
    async with (
        serving(bounds=bounds) as running,
        await running.connect(settings={INITIAL_WINDOW: 0}) as client,
    ):
        for _ in range(20):
            client.open(PUSH, end=True)
        await running.until(lambda: running.service.pushed >= 95)
        await client.ping()
        assert running.service.pushed <= 130
        assert (await client.call(FAIL, b"5:")).status == 5
        assert running.stat("closed") == 0
