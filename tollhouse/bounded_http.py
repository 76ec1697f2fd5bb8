"""A small HTTP server for peers that are not trusted: connections, sizes and times have bounds."""

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web

from _fastpath.errors import BindError
from tollhouse.address import Address
from tollhouse.binding import ensure_free

logger = logging.getLogger(__name__)

HANDSHAKE_SECONDS = 5.0
STOP_SECONDS = 2.0
LINGER_SECONDS = 2.0  # for a peer that still sends what nobody reads, so that it sees the answer
# aiohttp tells of every malformed request with a traceback; peers would write the log.
_PEERS = logging.getLogger(f"{__name__}.peers")
_PEERS.setLevel(logging.CRITICAL + 1)
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
            logger=_PEERS,
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
        self._connections = _Connections(self._answered, self._bounds)
        self._listener: asyncio.Server | None = None

    async def start(self, address: Address, tls: ssl.SSLContext | None = None) -> str:
        """Serve; returns the bound address. Raises BindError."""
        ensure_free(address)
        loop = asyncio.get_running_loop()
        seconds = None if tls is None else HANDSHAKE_SECONDS
        try:
            if address.path is not None:
                self._listener = await loop.create_unix_server(
                    self._connections, address.path, ssl=tls, ssl_handshake_timeout=seconds
                )
                return str(address)
            self._listener = await loop.create_server(
                self._connections,
                address.host,
                address.port,
                ssl=tls,
                ssl_handshake_timeout=seconds,
            )
        except OSError as error:
            raise BindError(f"cannot listen on {address}: {error.strerror or error}") from error
        host, port = self._listener.sockets[0].getsockname()[:2]
        return str(Address(host, port))

    async def stop(self) -> None:
        """Checks under way may finish, for a moment."""
        if self._listener is not None:
            self._listener.close()
        self._connections.pre_shutdown()
        await self._connections.shutdown(STOP_SECONDS)

    async def _answered(self, request: web.BaseRequest) -> web.Response:
        try:
            response = await self._handler(request)
        except Exception:  # the listener's edge: what goes wrong here is no yes
            logger.exception("an HTTP request could not be answered")
            response = web.Response(status=503)
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
