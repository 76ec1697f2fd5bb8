"""A small HTTP server for tests: answers by path, and remembers what it was asked."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web
from aiohttp.test_utils import TestServer

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Seen:
    """target: path and query as they came. headers: names in lower case."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Backend:
    """`routes` gives the answer of a path, else it is 404."""

    routes: dict[str, Handler] = field(default_factory=dict)
    seen: list[Seen] = field(default_factory=list)
    url: str = ""
    _arrival: asyncio.Condition = field(default_factory=asyncio.Condition)

    def says(self, path: str, body: object = "", status: int = 200, **headers: str) -> None:
        """A fixed answer: JSON, text or bytes by the type of `body`."""

        async def answer(request: web.Request) -> web.Response:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            if isinstance(body, str):
                return web.Response(text=body, status=status, headers=named)
            if isinstance(body, bytes):
                return web.Response(body=body, status=status, headers=named)
            return web.json_response(body, status=status, headers=named)

        self.routes[path] = answer

    def hangs(self, path: str) -> asyncio.Event:
        """No answer before the event is set, then an empty one."""
        released = asyncio.Event()

        async def answer(request: web.Request) -> web.Response:
            await released.wait()
            return web.Response()

        self.routes[path] = answer
        return released

    async def asked(self, times: int) -> None:
        """Until so many requests have come."""
        async with asyncio.timeout(10), self._arrival:
            await self._arrival.wait_for(lambda: len(self.seen) >= times)

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        headers = {name.lower(): value for name, value in request.headers.items()}
        body = await request.read()
        self.seen.append(Seen(request.method, request.raw_path, headers, body))
        async with self._arrival:
            self._arrival.notify_all()
        route = self.routes.get(request.raw_path.partition("?")[0])
        return await route(request) if route else web.Response(status=404, text="not found")


@asynccontextmanager
async def http_backend(tls: ssl.SSLContext | None = None) -> AsyncIterator[Backend]:
    """Serves on a free port of 127.0.0.1 until the end of the block."""
    backend = Backend()
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", backend._handle)
    server = TestServer(application, port=0)
    await server.start_server(ssl=tls)
    backend.url = str(server.make_url("")).rstrip("/")
    try:
        yield backend
    finally:
        await server.close()
