"""The HTTP sides of `tollhouse ratelimit`: decisions and health, debug, Prometheus."""

import re
from collections.abc import Callable

from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest

from ratelimit.descriptors import metrics
from ratelimit.descriptors.service import DescriptorService

TEXT = "text/plain; charset=utf-8"
# The original prints whole numbers without a fraction; both are the same to Prometheus.
_WHOLE = re.compile(rb"^([^#\n].*) (\d+)\.0$", re.MULTILINE)


async def absent(request: web.Request) -> web.Response:
    """What no route takes, in the words of the original."""
    return web.Response(status=404, text="404 page not found\n")


def healthcheck(healthy: Callable[[], bool]) -> web.RouteDef:
    async def show(request: web.Request) -> web.Response:
        if healthy():
            return web.Response(text="OK")
        return web.Response(status=500)

    return web.route("*", "/healthcheck", show)


def prometheus(path: str, registry: CollectorRegistry) -> web.RouteDef:
    async def show(request: web.Request) -> web.Response:
        text = _WHOLE.sub(rb"\1 \2", generate_latest(registry))
        return web.Response(body=text, headers={"content-type": f"{TEXT}; version=0.0.4"})

    return web.get(path, show)


def debug(service: DescriptorService, registry: CollectorRegistry) -> list[web.RouteDef]:
    """/rlconfig: the limits in force. /stats: every statistic. /metrics: the same for Prometheus,
    also where its listener is not open."""

    async def rlconfig(request: web.Request) -> web.Response:
        return web.Response(text=service.active.current.dump())

    async def stats(request: web.Request) -> web.Response:
        return web.Response(text=metrics.dump(service))

    async def index(request: web.Request) -> web.Response:
        return web.Response(text="/metrics: for Prometheus\n/rlconfig: limits\n/stats: counts\n")

    return [
        web.get("/", index),
        web.get("/rlconfig", rlconfig),
        web.get("/stats", stats),
        prometheus("/metrics", registry),
    ]
