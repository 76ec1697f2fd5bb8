"""A native server with a few methods, one per way a call can go."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from _fastpath.bounds import Bounds
from _fastpath.constant import ConstantAnswer
from _fastpath.rpc import Context, Method, RpcError, Status, StreamMethod, UnaryMethod
from _fastpath.server import Server
from transport.raw_client import Client

NATIVE, ECHO, STREAM = "/test.Service/Native", "/test.Service/Echo", "/test.Service/Stream"
FAIL, HANG, PUSH, CONTEXT = (
    f"/test.Service/{name}" for name in ("Fail", "Hang", "Push", "Context")
)


class Service:
    """Handlers and what they saw."""

    def __init__(self) -> None:
        self.contexts: list[Context] = []
        self.cancelled = 0
        self.started = 0
        self.pushed = 0
        self.finished = 0
        self.taken: list[bytes] = []
        self.take = asyncio.Event()
        self.take.set()
        self.push_bytes = 1000

    async def echo(self, request: bytes, context: Context) -> bytes:
        self.contexts.append(context)
        return request

    async def fail(self, request: bytes, context: Context) -> bytes:
        kind, _, text = request.decode().partition(":")
        if kind == "raise":
            raise ZeroDivisionError(text)
        raise RpcError(Status(int(kind)), text)

    async def hang(self, request: bytes, context: Context) -> bytes:
        self.started += 1
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return b""

    async def context(self, request: bytes, context: Context) -> bytes:
        self.contexts.append(context)
        context.set_trailing_metadata((("x-text", "plain"), ("x-raw-bin", b"\x00\xff")))
        return request

    async def stream(
        self, requests: AsyncIterator[bytes], context: Context
    ) -> AsyncIterator[bytes]:
        """Echo each message once `take` is set, say "end" at half-close."""
        self.started += 1
        try:
            await self.take.wait()
            async for message in requests:
                self.taken.append(message)
                yield message
                await self.take.wait()
            self.finished += 1
            yield b"end"
        except asyncio.CancelledError:
            self.cancelled += 1
            raise

    async def push(self, requests: AsyncIterator[bytes], context: Context) -> AsyncIterator[bytes]:
        """Send for ever, counting."""
        self.started += 1
        try:
            while True:
                yield bytes(self.push_bytes)
                self.pushed += 1
        except asyncio.CancelledError:
            self.cancelled += 1
            raise

    def methods(self) -> list[Method]:
        return [
            UnaryMethod(NATIVE, self.echo, native=ConstantAnswer(b"\x08\x01", 0)),
            UnaryMethod(ECHO, self.echo),
            UnaryMethod(FAIL, self.fail),
            UnaryMethod(HANG, self.hang),
            UnaryMethod(CONTEXT, self.context),
            StreamMethod(STREAM, self.stream),
            StreamMethod(PUSH, self.push),
        ]


class Running:
    """A started server, its service and where it listens."""

    def __init__(self, server: Server, service: Service, address: str) -> None:
        self.server = server
        self.service = service
        self.address = address

    async def connect(self, **options: object) -> Client:
        return await Client.connect(self.address, **options)  # type: ignore[arg-type]

    def stat(self, name: str) -> int:
        return self.server.stats()[name]

    async def until(self, condition: Callable[[], object], patience_s: float = 10.0) -> None:
        """Poll for a state that only the server's own threads can bring about."""
        async with asyncio.timeout(patience_s):
            while not condition():  # noqa: ASYNC110 - nothing on the loop tells
                await asyncio.sleep(0.005)


Starter = Callable[..., Awaitable[Running]]


@asynccontextmanager
async def serving(
    *, threads: int = 1, address: str = "127.0.0.1:0", bounds: Bounds | None = None
) -> AsyncIterator[Running]:
    service = Service()
    server = Server(service.methods(), threads=threads, bounds=bounds or Bounds())
    bound = server.listen(address)
    server.start()
    try:
        yield Running(server, service, bound)
    finally:
        await server.drain(0)
