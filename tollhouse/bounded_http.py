"""A small HTTP server for peers that are not trusted: connections, sizes and times have bounds."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web

from tollhouse import http_side
from tollhouse.address import Address

LINGER_SECONDS = 2.0  # for a peer that still sends what nobody reads, so that it sees the answer
Handler = Callable[[web.BaseRequest], Awaitable[web.Response]]


@dataclass(frozen=True, slots=True)
class HttpBounds:
    """idle_seconds: also for a request's head to arrive. body_seconds: for its body.
    answer_seconds: for the peer to take the answer."""

    connections: int = 4096
    line_bytes: int = 16 << 10  # request line, and each header
    headers: int = 128
    idle_seconds: float = 60.0
    body_seconds: float = 10.0
    answer_seconds: float = 10.0


class BodyTooLarge(Exception):
    """A request body is longer than its handler takes."""


class _Connections(web.Server):
    """Closes at once what comes past the bound."""

    def __init__(self, handler: Handler, bounds: HttpBounds) -> None:
        super().__init__(
            handler,
            handler_cancellation=True,
            access_log=None,
            auto_decompress=False,
            keepalive_timeout=bounds.idle_seconds,
            lingering_time=LINGER_SECONDS,
            max_line_size=bounds.line_bytes,
            max_field_size=bounds.line_bytes,
            max_headers=bounds.headers,
        )
        self._most = bounds.connections

    def connection_made(self, handler: web.RequestHandler, transport: asyncio.Transport) -> None:
        super().connection_made(handler, transport)
        if len(self.connections) > self._most:
            transport.abort()


class BoundedHttp:
    """One listener; made and used on the event loop. A handler is cancelled when its peer goes."""

    def __init__(self, handler: Handler, bounds: HttpBounds | None = None) -> None:
        self._handler = handler
        self._bounds = bounds or HttpBounds()
        self._runner = web.ServerRunner(
            _Connections(self._answered, self._bounds),
            handle_signals=False,
            shutdown_timeout=http_side.STOP_SECONDS,
        )

    async def start(self, address: Address) -> str:
        """Serve; returns the bound address. Raises BindError."""
        return await http_side.listen(self._runner, address)

    async def stop(self) -> None:
        await self._runner.cleanup()

    async def _answered(self, request: web.BaseRequest) -> web.Response:
        response = await self._handler(request)
        try:
            async with asyncio.timeout(self._bounds.answer_seconds):
                await response.prepare(request)
                await response.write_eof()
        except TimeoutError:
            if request.transport is not None:
                request.transport.abort()
        return response


async def read_body(request: web.BaseRequest, most: int, seconds: float) -> bytes:
    """The body, at most `most` bytes. Raises BodyTooLarge, and TimeoutError after `seconds`."""
    if (request.content_length or 0) > most:
        raise BodyTooLarge
    body = bytearray()
    async with asyncio.timeout(seconds):
        async for chunk in request.content.iter_any():
            body += chunk
            if len(body) > most:
                raise BodyTooLarge
    return bytes(body)
