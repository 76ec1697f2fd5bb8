"""Methods to exercise a transport with, and what they saw."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from _fastpath.rpc import Context, Method, RpcError, Status, StreamMethod, UnaryMethod

SERVICE = "/protocol.Test/"
MESSAGE = b"m" * 10_000


@dataclass
class Observed:
    """What handlers were given and did; for asserts after the call."""

    contexts: list[Context] = field(default_factory=list)
    entered: asyncio.Event = field(default_factory=asyncio.Event)
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)
    release: asyncio.Event = field(default_factory=asyncio.Event)
    yielded: int = 0
    received: list[bytes] = field(default_factory=list)
    half_closed: bool = False

    def methods(self) -> list[Method]:
        unary = (self.echo, self.fail, self.crash, self.hang)
        streaming = (self.chat, self.flood, self.break_off, self.linger)
        return [
            *(UnaryMethod(SERVICE + handler.__name__, handler) for handler in unary),
            *(StreamMethod(SERVICE + handler.__name__, handler) for handler in streaming),
        ]

    async def echo(self, request: bytes, context: Context) -> bytes:
        self.contexts.append(context)
        context.set_trailing_metadata((("seen", str(len(request))), ("raw-bin", b"\x00\xff")))
        return request

    async def fail(self, request: bytes, context: Context) -> bytes:
        code, _, message = request.decode().partition(" ")
        context.set_trailing_metadata((("why", "asked"),))
        raise RpcError(Status(int(code)), message)

    async def crash(self, request: bytes, context: Context) -> bytes:
        raise RuntimeError("a secret detail")

    async def hang(self, request: bytes, context: Context) -> bytes:
        self.entered.set()
        try:
            await self.release.wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        return b"released"

    async def chat(self, requests: AsyncIterator[bytes], context: Context) -> AsyncIterator[bytes]:
        async for request in requests:
            self.received.append(request)
            yield request.upper()
        self.half_closed = True
        yield b"bye"

    async def flood(self, requests: AsyncIterator[bytes], context: Context) -> AsyncIterator[bytes]:
        count = int(await anext(requests))
        for _ in range(count):
            yield MESSAGE
            self.yielded += 1

    async def break_off(
        self, requests: AsyncIterator[bytes], context: Context
    ) -> AsyncIterator[bytes]:
        yield b"first"
        raise RpcError(Status.ABORTED, "enough")

    async def linger(
        self, requests: AsyncIterator[bytes], context: Context
    ) -> AsyncIterator[bytes]:
        """Reads nothing and sends nothing until it is cancelled or released."""
        self.entered.set()
        try:
            await self.release.wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        yield b"released"
