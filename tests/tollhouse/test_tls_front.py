"""TLS in front of a gRPC listener: bytes, back pressure, bounds, the end."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from tests.tollhouse.test_server_tls import NAME, SERVERS, client, write
from tollhouse.address import Address
from tollhouse.binding import remove_socket
from tollhouse.server_tls import ServerTls
from tollhouse.settings import TlsFiles
from tollhouse.tls_front import ALPN, TlsFront

Inside = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@pytest.fixture
def files(tmp_path: Path) -> TlsFiles:
    return write(tmp_path, SERVERS.issue("toys.com", extensions=[NAME]))


class Site:
    """A front, with the server behind it and connections to it."""

    def __init__(self, front: TlsFront, port: int) -> None:
        self.front = front
        self.port = port
        self.streams: list[asyncio.StreamWriter] = []

    async def connect(self) -> Streams:
        context = client()
        context.set_alpn_protocols(["h2"])
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", self.port, ssl=context, server_hostname="toys.com"
        )
        self.streams.append(writer)
        return reader, writer


@asynccontextmanager
async def fronted(files: TlsFiles, inside: Inside, connections: int = 9) -> AsyncIterator[Site]:
    tls = ServerTls(files, ALPN)
    await tls.start()
    front = TlsFront(Address("127.0.0.1", 0), tls, connections)
    bound = await front.bind()
    server = await asyncio.start_unix_server(inside, front.path)
    await front.accept()
    site = Site(front, int(bound.rpartition(":")[2]))
    try:
        yield site
    finally:
        for writer in site.streams:
            writer.close()
        server.close()
        await front.stop()
        assert not Path(front.path).parent.exists()


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


async def test_bytes_pass_both_ways(files: TlsFiles) -> None:
    async with fronted(files, echo) as site:
        reader, writer = await site.connect()
        session = writer.get_extra_info("ssl_object")
        assert session.selected_alpn_protocol() == "h2"
        data = bytes(range(256)) * 4096

        async def send() -> None:
            writer.write(data)
            await writer.drain()

        sending = asyncio.create_task(send())
        assert await reader.readexactly(len(data)) == data
        await sending


async def test_peer_that_reads_nothing_stops_the_server(files: TlsFiles) -> None:
    written = 0

    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal written
        while written < 64 << 20:
            writer.write(bytes(65536))
            await writer.drain()
            written += 65536
        writer.close()

    async with fronted(files, flood) as site:
        reader, _ = await site.connect()
        await reader.readexactly(65536)
        before = -1
        while before != written:
            before = written
            await asyncio.sleep(0.1)
        assert written < 32 << 20


async def test_end_of_either_side_ends_the_other(files: TlsFiles) -> None:
    ended = asyncio.Event()

    async def inside(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if await reader.read(1) == b"c":
            writer.write(b"bye")
            writer.close()
            return
        await reader.read()
        ended.set()
        writer.close()

    async with fronted(files, inside) as site:
        reader, writer = await site.connect()
        writer.write(b"c")
        assert await reader.read() == b"bye"
        _, writer = await site.connect()
        writer.write(b"x")
        await writer.drain()
        writer.close()
        await asyncio.wait_for(ended.wait(), 10)


async def test_connections_are_bounded(files: TlsFiles) -> None:
    async with fronted(files, echo, connections=1) as site:
        reader, writer = await site.connect()
        writer.write(b"a")
        assert await reader.readexactly(1) == b"a"
        with suppress(OSError, ssl.SSLError):
            further, _ = await site.connect()
            assert await further.read() == b""
        writer.write(b"b")
        assert await reader.readexactly(1) == b"b"


async def test_server_that_is_not_there_ends_the_connection(files: TlsFiles) -> None:
    async with fronted(files, echo) as site:
        remove_socket(site.front.path)
        with suppress(OSError, ssl.SSLError):
            reader, _ = await site.connect()
            assert await reader.read() == b""


async def test_closed_listener_takes_no_more(files: TlsFiles) -> None:
    async with fronted(files, echo) as site:
        reader, writer = await site.connect()
        site.front.close_listener()
        with pytest.raises(OSError):
            await site.connect()
        writer.write(b"a")
        assert await reader.readexactly(1) == b"a"
