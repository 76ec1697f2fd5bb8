"""What a call gets back: answers, errors, metadata, HTTP errors, odd framing."""

import pytest
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    ExtensionFrame,
    Frame,
    HeadersFrame,
    PriorityFrame,
    SettingsFrame,
)

from transport.native_server import CONTEXT, ECHO, FAIL, HANG, NATIVE, STREAM, Running
from transport.raw_client import framed, request_headers

PROTOCOL_ERROR, STREAM_CLOSED = 1, 5


async def test_native_method_answers_its_constant(running: Running) -> None:
    async with await running.connect() as client:
        answer = await client.call(NATIVE, b"anything")
    assert answer.http_status == 200
    assert answer.messages == [b"\x08\x01"]
    assert answer.trailers == [("grpc-status", "0")]
    assert running.stat("answered_native") == 1
    assert running.stat("handed_over") == 0


async def test_python_method_answers_over_the_bridge(running: Running) -> None:
    async with await running.connect() as client:
        answer = await client.call(ECHO, b"hello")
    assert (answer.messages, answer.status) == ([b"hello"], 0)
    assert running.stat("handed_over") == 1


async def test_empty_message_is_a_message(running: Running) -> None:
    async with await running.connect() as client:
        answer = await client.call(ECHO, b"")
    assert (answer.messages, answer.status) == ([b""], 0)


async def test_metadata_reaches_handler_and_trailers_reach_peer(running: Running) -> None:
    async with await running.connect() as client:
        answer = await client.call(
            CONTEXT, b"", ("x-a", "1"), ("x-a", "2"), ("x-raw-bin", "AP8,AQ=="), ("x-bad-bin", "%")
        )
    (context,) = running.service.contexts
    assert [pair for pair in context.metadata if pair[0].startswith("x-")] == [
        ("x-a", "1"),
        ("x-a", "2"),
        ("x-raw-bin", b"\x00\xff"),
        ("x-raw-bin", b"\x01"),
    ]
    assert context.peer.startswith("127.0.0.1:")
    assert context.deadline_ns is None
    assert answer.trailers == [("grpc-status", "0"), ("x-text", "plain"), ("x-raw-bin", "AP8")]


async def test_rpc_error_is_trailers_only_and_percent_encoded(running: Running) -> None:
    async with await running.connect() as client:
        answer = await client.call(FAIL, "7:nein, ünmöglich 100%\n".encode())
    assert answer.ended
    assert not answer.trailers
    assert answer.http_status == 200
    assert answer.status == 7
    assert answer.detail == "nein, ünmöglich 100%\n"
    assert answer.all_trailers["grpc-message"].isascii()


async def test_failing_handler_is_internal_and_tells_nothing(
    running: Running, caplog: pytest.LogCaptureFixture
) -> None:
    async with await running.connect() as client:
        answer = await client.call(FAIL, b"raise:secret")
        assert answer.status == 13
        assert "secret" not in answer.detail
        assert (await client.call(ECHO, b"x")).status == 0
    assert "ZeroDivisionError" in caplog.text


async def test_unknown_method_is_unimplemented(running: Running) -> None:
    async with await running.connect() as client:
        answer = await client.call("/test.Service/Nothing", b"x")
    assert (answer.http_status, answer.status) == (200, 12)


@pytest.mark.parametrize("kind", ["application/grpc+proto", "application/grpc;charset=utf-8"])
async def test_grpc_content_types_are_served(running: Running, kind: str) -> None:
    headers = [(n, kind if n == "content-type" else v) for n, v in request_headers(NATIVE)]
    async with await running.connect() as client:
        stream = client.new_stream()
        client.send(client.header_frame(stream, headers))
        client.data(stream, framed(b""), end=True)
        assert (await client.answer(stream)).status == 0


@pytest.mark.parametrize("kind", ["application/json", "application/grpcx", None])
async def test_other_content_types_get_415(running: Running, kind: str | None) -> None:
    headers = [(n, v) for n, v in request_headers(NATIVE) if n != "content-type"]
    if kind:
        headers.append(("content-type", kind))
    async with await running.connect() as client:
        stream = client.new_stream()
        client.send(client.header_frame(stream, headers))
        client.data(stream, framed(b""), end=True)
        answer = await client.answer(stream)
    assert answer.http_status == 415
    assert answer.body


async def test_get_gets_405_with_a_short_body(running: Running) -> None:
    headers = [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "t")]
    async with await running.connect() as client:
        stream = client.new_stream()
        client.send(client.header_frame(stream, headers, "END_STREAM"))
        answer = await client.answer(stream)
    assert answer.http_status == 405
    assert 0 < len(answer.body) < 200


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (framed(b"packed", flag=1), 12),
        (framed(b"", flag=2), 13),
        (framed(b"whole")[:-1], 13),
        (framed(b"one") + framed(b"two"), 13),
        (b"", 13),
        (b"\0\0", 13),
        (b"\0\xff\xff\xff\xff", 8),
    ],
)
@pytest.mark.parametrize("path", [NATIVE, ECHO])
async def test_malformed_request_is_refused(
    running: Running, path: str, body: bytes, status: int
) -> None:
    async with await running.connect() as client:
        stream = client.open(path)
        client.data(stream, body, end=True)
        assert (await client.answer(stream)).status == status
        assert (await client.call(path, b"x")).status == 0


@pytest.mark.parametrize(
    ("body", "status"), [(framed(b"packed", flag=1), 12), (framed(b"whole")[:-1], 13)]
)
async def test_malformed_stream_request_is_refused(
    running: Running, body: bytes, status: int
) -> None:
    async with await running.connect() as client:
        stream = client.open(STREAM)
        client.data(stream, body, end=True)
        assert (await client.answer(stream)).status == status
    await running.until(lambda: running.service.cancelled == running.service.started)


async def test_data_split_at_every_byte_is_joined(running: Running) -> None:
    async with await running.connect() as client:
        stream = client.open(ECHO)
        for byte in framed(b"in pieces"):
            client.send(DataFrame(stream, data=bytes([byte])))
        client.send(DataFrame(stream, data=b"", flags=["END_STREAM"]))
        assert (await client.answer(stream)).messages == [b"in pieces"]


async def test_padding_priority_continuation_and_unknown_frames_are_accepted(
    running: Running,
) -> None:
    unknown = ExtensionFrame(0xBE, 1, body=b"who knows")
    unknown.body_len = len(unknown.body)
    async with await running.connect(settings={65027: 1, 4: 1 << 20}) as client:
        stream = client.new_stream()
        block = client.encoder.encode(request_headers(ECHO))
        client.send(
            HeadersFrame(stream, data=block[:10]),
            ContinuationFrame(stream, data=block[10:20]),
            ContinuationFrame(stream, data=block[20:], flags=["END_HEADERS"]),
            PriorityFrame(stream, depends_on=0, stream_weight=7),
            unknown,
            SettingsFrame(0, settings={3: 7, 61000: 1}),
            DataFrame(stream, data=framed(b"padded"), pad_length=50, flags=["PADDED"]),
            DataFrame(stream, data=b"", flags=["END_STREAM"]),
        )
        assert (await client.answer(stream)).messages == [b"padded"]


async def test_answer_without_message_sends_no_empty_frames(running: Running) -> None:
    """Envoy closes a connection that sends several empty DATA frames in a row."""
    async with await running.connect() as client:
        stream = client.open(STREAM)
        client.data(stream, b"", end=True)
        answer = await client.answer(stream)
        assert (answer.messages, answer.status) == ([b"end"], 0)
        assert answer.empty_data_frames == 0


async def test_ping_is_answered_before_queued_answers(running: Running) -> None:
    async with await running.connect(settings={4: 0}) as client:
        for _ in range(50):
            client.start(NATIVE, b"x")
        await client.ping()
        assert client.received["DataFrame"] == 0


async def test_early_error_tells_the_peer_to_stop_sending(running: Running) -> None:
    async with await running.connect() as client:
        stream = client.open("/test.Service/Nothing")
        answer = await client.answer(stream)
        assert answer.status == 12
        await client.until(lambda: answer.reset == 0)


async def test_answers_of_one_read_leave_in_one_write(running: Running) -> None:
    async with await running.connect() as client:
        await client.ping()
        before = running.stat("writes")
        headers = request_headers(NATIVE)
        streams = [client.new_stream() for _ in range(200)]
        frames: list[Frame] = []
        for stream in streams:
            frames.append(client.header_frame(stream, headers))
            frames.append(DataFrame(stream, data=framed(b"x"), flags=["END_STREAM"]))
        client.send(*frames)
        for stream in streams:
            assert (await client.answer(stream)).status == 0
        # One per read of the requests; the kernel may cut them up.
        assert running.stat("writes") - before <= 5


@pytest.mark.parametrize("end", ["END_STREAM", "RST_STREAM"])
async def test_headers_for_an_ended_stream_end_the_connection(running: Running, end: str) -> None:
    async with await running.connect() as client:
        stream = client.start(HANG, b"")
        if end == "RST_STREAM":
            client.reset(stream)
        client.send(client.header_frame(stream, [("x-more", "1")], "END_STREAM"))
        await client.until_closed()
        assert [code for _, code in client.goaways] == [STREAM_CLOSED]


async def test_stream_that_was_left_out_cannot_be_opened(running: Running) -> None:
    async with await running.connect() as client:
        client.next_stream = 5001
        assert (await client.call(NATIVE)).status == 0
        client.next_stream = 4999
        client.start(NATIVE, b"")
        await client.until_closed()
        assert [code for _, code in client.goaways] == [PROTOCOL_ERROR]


async def test_late_data_for_a_refused_stream_is_ignored(running: Running) -> None:
    async with await running.connect() as client:
        stream = client.open("/test.Service/Nothing")
        await client.answer(stream)
        client.data(stream, b"under way", end=True)
        client.send(client.header_frame(client.open("/test.Service/Nothing"), [("x", "1")]))
        assert (await client.call(NATIVE)).status == 0
