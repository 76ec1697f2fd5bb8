"""Frames for streams that are over: refused when the peer ended them, else passed over."""

import asyncio

import pytest
from hyperframe.frame import DataFrame

from transport.native_server import ECHO, Running
from transport.raw_client import Client, framed, request_headers

PROTOCOL_ERROR = 1
STREAM_CLOSED = 5
CANCEL = 8


async def cut_with(client: Client) -> int:
    """The error of the GOAWAY that ends the connection."""
    await client.until_closed()
    return client.goaways[-1][1]


@pytest.mark.parametrize("frame", ["data", "headers"])
async def test_frame_after_the_end_of_a_stream_cuts_the_connection(
    running: Running, frame: str
) -> None:
    async with await running.connect() as client:
        stream = client.start(ECHO, b"x")
        assert (await client.answer(stream)).status == 0
        if frame == "data":
            client.data(stream, framed(b"y"), end=True)
        else:
            client.send(client.header_frame(stream, request_headers(ECHO), "END_STREAM"))
        assert await cut_with(client) == STREAM_CLOSED


async def test_frame_after_the_peers_own_reset_cuts_the_connection(running: Running) -> None:
    async with await running.connect() as client:
        stream = client.open(ECHO)
        client.reset(stream)
        client.data(stream, framed(b"y"), end=True)
        assert await cut_with(client) == STREAM_CLOSED


async def test_stream_below_the_newest_cuts_the_connection(running: Running) -> None:
    async with await running.connect() as client:
        client.next_stream = 5
        await client.call(ECHO, b"x")
        client.next_stream = 3
        client.open(ECHO)
        assert await cut_with(client) == PROTOCOL_ERROR


async def test_rest_of_a_refused_upload_is_passed_over(running: Running) -> None:
    async with await running.connect() as client:
        stream = client.open("/no.such/method")
        client.data(stream, b"\x00" * 10)
        assert (await client.answer(stream)).status == 12
        client.data(stream, b"\x00" * 10, end=True)
        client.reset(stream, CANCEL)
        assert (await client.call(ECHO, b"alive")).messages == [b"alive"]


async def test_head_in_pieces_is_read_whole(running: Running) -> None:
    async with await running.connect() as client:
        for number in range(3):
            stream = client.open(ECHO)
            whole = DataFrame(stream, data=framed(b"%d" % number), flags=["END_STREAM"])
            for byte in whole.serialize():
                client.writer.write(bytes([byte]))
                await client.writer.drain()
                await asyncio.sleep(0)
            assert (await client.answer(stream)).messages == [b"%d" % number]
        client.data(stream, b"late")
        assert await cut_with(client) == STREAM_CLOSED


async def test_many_streams_wear_out_no_slot(running: Running) -> None:
    async with await running.connect() as client:
        for _ in range(4):
            streams = [client.start(ECHO, b"x") for _ in range(100)]
            answers = [await client.answer(stream) for stream in streams]
            assert {answer.status for answer in answers} == {0}
