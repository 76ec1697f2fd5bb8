"""Authorino's probes: /healthz, and /readyz, which tells of AuthConfigs where that is asked for."""

from collections.abc import Callable, Iterable, Iterator

from aiohttp import web

from authz.configuration import Report

AUTH_CONFIGS = "authconfigs"


def probes(
    ready: Callable[[], bool], reports: Callable[[], Iterable[Report]]
) -> list[web.RouteDef]:
    """/readyz is 503 until requests are decided. /readyz/authconfigs and
    /readyz?include=authconfigs are 500 while an AuthConfig is not ready, and name it."""

    async def healthz(request: web.Request) -> web.Response:
        return web.Response(text="ok")

    async def readyz(request: web.Request) -> web.Response:
        if not ready():
            return web.Response(status=503, text="not ready")
        asked = request.path.endswith(AUTH_CONFIGS) or AUTH_CONFIGS in request.query.getall(
            "include", []
        )
        first = next(_unready(reports()), None) if asked else None
        return web.Response(text="ok") if first is None else web.Response(status=500, text=first)

    return [
        web.get("/healthz", healthz),
        web.get("/healthz/ping", healthz),
        web.get("/readyz", readyz),
        web.get(f"/readyz/{AUTH_CONFIGS}", readyz),
    ]


def _unready(reports: Iterable[Report]) -> Iterator[str]:
    for report in reports:
        if not report.ready:
            reason = "Invalid" if report.faults else "HostsNotLinked"
            yield f"authconfig is not ready: {report.id} (reason: {reason})"
