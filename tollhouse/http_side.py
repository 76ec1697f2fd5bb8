"""The HTTP side: probes, metrics and the routes of other packages, on aiohttp."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable

from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest

from _fastpath.errors import BindError
from tollhouse.address import Address
from tollhouse.binding import ensure_free

logger = logging.getLogger(__name__)

MAX_BODY_BYTES = 2 << 20  # Limitador's bound on the limits API
STOP_SECONDS = 2.0
METRICS_TYPE = "text/plain; charset=utf-8"  # as Limitador's; Prometheus reads it as its text format
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def probes(ready: Callable[[], bool]) -> list[web.RouteDef]:
    """/livez answers while the event loop runs, /readyz only while requests are decided."""

    async def livez(request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def readyz(request: web.Request) -> web.Response:
        if ready():
            return web.Response(text="ready\n")
        return web.Response(status=503, text="not ready\n")

    return [web.get("/livez", livez), web.get("/readyz", readyz)]


def metrics(
    registry: CollectorRegistry, path: str = "/metrics", *, long: CollectorRegistry | None = None
) -> web.RouteDef:
    """long: told behind the others, written in a thread: of collectors that can be read from any
    one and may have so many series that the event loop would stand still."""
    writing = asyncio.Lock()

    async def show(request: web.Request) -> web.Response:
        body = generate_latest(registry)
        if long is not None:
            async with writing:
                body += await asyncio.to_thread(generate_latest, long)
        return web.Response(body=body, headers={"content-type": METRICS_TYPE})

    return web.get(path, show)


@web.middleware
async def _logged(request: web.Request, handler: Handler) -> web.StreamResponse:
    """A line before the answer, with the caller's id where it is text a log can hold."""
    identifier = request.headers.get("X-Request-Id", "")
    if not (identifier.isascii() and identifier.isprintable()):
        identifier = "invalid"
    logger.info("%s %s request_id=%s", request.method, request.path, identifier)
    return await handler(request)


async def _absent(request: web.Request) -> web.Response:
    """What no route takes, wrong methods included: 404 without a body, as Limitador answers."""
    return web.Response(status=404)


class HttpSide:
    """One aiohttp server; made and used on the event loop."""

    def __init__(
        self,
        routes: Iterable[web.AbstractRouteDef],
        *,
        log_requests: bool = False,
        absent: Handler = _absent,
    ) -> None:
        """absent: answers what no route takes."""
        application = web.Application(
            client_max_size=MAX_BODY_BYTES, middlewares=[_logged] if log_requests else []
        )
        application.add_routes([*routes, web.route("*", "/{path:.*}", absent)])
        self._runner = web.AppRunner(
            application, access_log=None, handle_signals=False, shutdown_timeout=STOP_SECONDS
        )

    async def start(self, address: Address) -> str:
        """Serve; returns the bound address. Raises BindError."""
        ensure_free(address)
        await self._runner.setup()
        site: web.BaseSite
        if address.path is not None:
            site = web.UnixSite(self._runner, address.path)
        else:
            site = web.TCPSite(self._runner, address.host, address.port)
        try:
            await site.start()
        except OSError as error:
            raise BindError(f"cannot listen on {address}: {error.strerror or error}") from error
        if address.path is not None:
            return str(address)
        host, port = self._runner.addresses[0][:2]
        return str(Address(host, port))

    async def stop(self) -> None:
        await self._runner.cleanup()
