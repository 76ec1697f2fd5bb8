"""An HTTP/2 client over frames: nothing is automatic unless asked for, so that tests can misbehave.

A background task reads frames and files them by stream; `Client.call` is the well-behaved path.
"""

import asyncio
import ssl
import struct
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from types import TracebackType
from urllib.parse import unquote

from hpack import Decoder, Encoder
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    Frame,
    GoAwayFrame,
    HeadersFrame,
    PingFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
PATIENCE_S = 10.0
Headers = Sequence[tuple[str, str]]


def framed(message: bytes, flag: int = 0) -> bytes:
    return struct.pack(">BI", flag, len(message)) + message


def request_headers(path: str, *extra: tuple[str, str]) -> list[tuple[str, str]]:
    return [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", path),
        (":authority", "test"),
        ("te", "trailers"),
        ("content-type", "application/grpc"),
        *extra,
    ]


@dataclass
class Answer:
    """What came back on one stream so far."""

    headers: list[tuple[str, str]] = field(default_factory=list)
    trailers: list[tuple[str, str]] = field(default_factory=list)
    body: bytearray = field(default_factory=bytearray)
    data_frames: int = 0
    empty_data_frames: int = 0
    reset: int | None = None
    ended: bool = False
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def done(self) -> bool:
        return self.ended or self.reset is not None

    @property
    def http_status(self) -> int:
        return int(dict(self.headers)[":status"])

    @property
    def all_trailers(self) -> dict[str, str]:
        """Trailers, wherever they stand: a trailers-only answer has them in its only block."""
        return dict(self.trailers or self.headers)

    @property
    def status(self) -> int:
        return int(self.all_trailers["grpc-status"])

    @property
    def detail(self) -> str:
        return unquote(self.all_trailers.get("grpc-message", ""))

    @property
    def messages(self) -> list[bytes]:
        found, at = [], 0
        while len(self.body) - at >= 5:
            _, size = struct.unpack_from(">BI", self.body, at)
            if len(self.body) - at - 5 < size:
                break
            found.append(bytes(self.body[at + 5 : at + 5 + size]))
            at += 5 + size
        return found


class Client:
    """One connection. `windows=True` gives back what it receives at once, as most peers do."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, windows: bool
    ) -> None:
        self.reader = reader
        self.writer = writer
        self.windows = windows
        self.encoder = Encoder()
        self.decoder = Decoder()
        self.next_stream = 1
        self.answers: defaultdict[int, Answer] = defaultdict(Answer)
        self.settings: dict[int, int] = {}
        self.received: Counter[str] = Counter()
        self.window_updates: list[tuple[int, int]] = []
        self.pings: list[bytes] = []
        self.goaways: list[tuple[int, int]] = []
        self.closed = False
        self.changed = asyncio.Event()
        self.block = bytearray()
        self.task = asyncio.create_task(self._read())

    @classmethod
    async def connect(
        cls,
        address: str,
        *,
        settings: dict[int, int] | None = None,
        windows: bool = True,
        preface: bool = True,
        tls: ssl.SSLContext | None = None,
    ) -> "Client":
        if address.startswith("unix:"):
            reader, writer = await asyncio.open_unix_connection(address[5:])
        else:
            host, _, port = address.rpartition(":")
            reader, writer = await asyncio.open_connection(
                host.strip("[]"), int(port), ssl=tls, server_hostname="localhost" if tls else None
            )
        client = cls(reader, writer, windows=windows)
        if preface:
            writer.write(PREFACE + SettingsFrame(0, settings=settings or {}).serialize())
            # Before their acknowledgment, the server holds the peer to the default windows.
            while not client.settings and not client.closed:
                client.changed.clear()
                await client.changed.wait()
        return client

    async def __aenter__(self) -> "Client":
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        self.task.cancel()
        await asyncio.wait([self.task])
        self.writer.close()
        with suppress(ConnectionError, BrokenPipeError, ssl.SSLError):
            await self.writer.wait_closed()

    # ---- sending

    def send(self, *frames: Frame) -> None:
        self.writer.write(b"".join(frame.serialize() for frame in frames))

    async def drained(self) -> bool:
        """Wait for the socket to take what was sent; False when the peer is gone."""
        try:
            await self.writer.drain()
        except (ConnectionError, BrokenPipeError):
            return False
        return not self.closed

    def new_stream(self) -> int:
        self.next_stream += 2
        return self.next_stream - 2

    def header_frame(self, stream: int, headers: Headers, *flags: str) -> HeadersFrame:
        return HeadersFrame(
            stream, data=self.encoder.encode(headers), flags=["END_HEADERS", *flags]
        )

    def open(self, path: str, *extra: tuple[str, str], end: bool = False) -> int:
        stream = self.new_stream()
        flags = ["END_STREAM"] if end else []
        self.send(self.header_frame(stream, request_headers(path, *extra), *flags))
        return stream

    def data(self, stream: int, data: bytes, *, end: bool = False) -> None:
        """DATA frames of at most 16 KiB; the window is the caller's business."""
        parts = [data[at : at + 16384] for at in range(0, len(data), 16384)] or [b""]
        frames = [DataFrame(stream, data=part) for part in parts]
        if end:
            frames[-1].flags.add("END_STREAM")
        self.send(*frames)

    def start(self, path: str, message: bytes, *extra: tuple[str, str]) -> int:
        stream = self.open(path, *extra)
        self.data(stream, framed(message), end=True)
        return stream

    def reset(self, stream: int, code: int = 8) -> None:
        self.send(RstStreamFrame(stream, error_code=code))

    def grant(self, stream: int, amount: int) -> None:
        self.send(WindowUpdateFrame(stream, window_increment=amount))

    # ---- receiving

    async def until(self, condition: object, patience_s: float = PATIENCE_S) -> None:
        """Wait until `condition()` holds or the connection ends."""
        assert callable(condition)
        async with asyncio.timeout(patience_s):
            while not condition():
                if self.closed:
                    raise ConnectionError("the server closed the connection")
                self.changed.clear()
                await self.changed.wait()

    async def answer(self, stream: int, patience_s: float = PATIENCE_S) -> Answer:
        answer = self.answers[stream]
        await self.until(lambda: answer.done, patience_s)
        return answer

    async def call(self, path: str, message: bytes = b"", *extra: tuple[str, str]) -> Answer:
        return await self.answer(self.start(path, message, *extra))

    async def until_closed(self, patience_s: float = PATIENCE_S) -> None:
        async with asyncio.timeout(patience_s):
            while not self.closed:
                self.changed.clear()
                await self.changed.wait()

    async def ping(self, token: bytes = b"01234567") -> None:
        """Until the server has handled everything sent before."""
        before = self.pings.count(token)
        self.send(PingFrame(0, opaque_data=token))
        await self.until(lambda: self.pings.count(token) > before)

    async def _read(self) -> None:
        try:
            while True:
                head = await self.reader.readexactly(9)
                frame, size = Frame.parse_frame_header(memoryview(head))
                frame.parse_body(memoryview(await self.reader.readexactly(size)))
                self._file(frame)
                self.changed.set()
        except (asyncio.IncompleteReadError, ConnectionError):
            self.closed = True
            self.changed.set()

    def _file(self, frame: Frame) -> None:
        self.received[type(frame).__name__] += 1
        if isinstance(frame, HeadersFrame | ContinuationFrame):
            self.block += frame.data
            if "END_HEADERS" in frame.flags:
                self._headers(frame.stream_id, bytes(self.block))
                self.block.clear()
            if "END_STREAM" in frame.flags:
                self.answers[frame.stream_id].ended = True
        elif isinstance(frame, DataFrame):
            self._data(frame)
        elif isinstance(frame, RstStreamFrame):
            self.answers[frame.stream_id].reset = frame.error_code
        elif isinstance(frame, SettingsFrame):
            if "ACK" not in frame.flags:
                self.settings.update(frame.settings)
                self.send(SettingsFrame(0, flags=["ACK"]))
        elif isinstance(frame, PingFrame):
            if "ACK" in frame.flags:
                self.pings.append(frame.opaque_data)
            else:
                self.send(PingFrame(0, opaque_data=frame.opaque_data, flags=["ACK"]))
        elif isinstance(frame, WindowUpdateFrame):
            self.window_updates.append((frame.stream_id, frame.window_increment))
        elif isinstance(frame, GoAwayFrame):
            self.goaways.append((frame.last_stream_id, frame.error_code))

    def _headers(self, stream: int, block: bytes) -> None:
        answer = self.answers[stream]
        target = answer.trailers if answer.headers else answer.headers
        target.extend((str(name), str(value)) for name, value in self.decoder.decode(block))

    def _data(self, frame: DataFrame) -> None:
        answer = self.answers[frame.stream_id]
        answer.body += frame.data
        answer.data_frames += 1
        answer.empty_data_frames += not frame.data and "END_STREAM" not in frame.flags
        if "END_STREAM" in frame.flags:
            answer.ended = True
        if self.windows and frame.flow_controlled_length:
            self.grant(0, frame.flow_controlled_length)
            if not answer.ended:
                self.grant(frame.stream_id, frame.flow_controlled_length)


@asynccontextmanager
async def connections(address: str, count: int) -> AsyncIterator[list[Client]]:
    clients = [await Client.connect(address) for _ in range(count)]
    try:
        yield clients
    finally:
        for client in clients:
            await client.close()


def serialized(frames: Iterable[Frame]) -> bytes:
    return b"".join(frame.serialize() for frame in frames)
