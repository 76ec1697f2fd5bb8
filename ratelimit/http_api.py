"""Limitador's HTTP API: status, limits, and decisions over one descriptor.

Counters have a module of their own, `counters_api`.

Decisions run in the full lane against the same counters as gRPC. Routes answer only their own
method; another one is 404, as in Limitador. Until limits are loaded every answer is 503.
"""

from collections.abc import Awaitable, Callable, Mapping

import msgspec
from aiohttp import web

from _fastpath.clock import Clock
from _fastpath.counters import Mode
from _fastpath.header_spec import HeaderFamily, HeaderSpec
from ratelimit.api_spec import api_spec
from ratelimit.decision import Decision, decide
from ratelimit.errors import StoreUnavailable
from ratelimit.field_shape import U64_MAX
from ratelimit.limit_json import limit_json
from ratelimit.service import RateLimitService
from ratelimit.status import status

MAX_BODY_BYTES = 2 << 20
DRAFT_03 = HeaderSpec(HeaderFamily.DRAFT_VERSION_03)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
ReadClock = Callable[[], Clock]
MoreStatus = Callable[[], Mapping[str, object]]


class CheckAndReportInfo(msgspec.Struct):
    """Body of the three decisions; other fields are passed over. `delta` 0 looks."""

    namespace: str
    values: dict[str, str]
    delta: int
    response_headers: str | None = None


def routes(
    service: RateLimitService,
    clock: ReadClock,
    more_status: MoreStatus = dict,
    *,
    counter_changes: bool = False,
) -> list[web.RouteDef]:
    """All routes of the API. clock: the clocks of the counters.

    more_status: fields that other parts of the program add to GET /status. counter_changes: whether
    the document of the API tells how counters are changed.
    """
    api = _Api(service, clock, more_status, api_spec(counter_changes=counter_changes))
    return [
        _only("GET", "/status", api.status, api.ready),
        _only("GET", "/limits/{namespace}", api.limits, api.ready),
        _only("POST", "/check", api.check, api.ready),
        _only("POST", "/report", api.report, api.ready),
        _only("POST", "/check_and_report", api.check_and_report, api.ready),
        _only("GET", "/api/spec", api.spec, api.ready),
    ]


def _only(method: str, path: str, handler: Handler, ready: Callable[[], bool]) -> web.RouteDef:
    async def guarded(request: web.Request) -> web.StreamResponse:
        if request.method != method:
            return web.Response(status=404)
        if not ready():
            return web.Response(status=503, text="No limits are loaded")
        return await handler(request)

    return web.route("*", path, guarded)


class _Api:
    def __init__(
        self,
        service: RateLimitService,
        clock: ReadClock,
        more_status: MoreStatus,
        spec: Mapping[str, object],
    ) -> None:
        self._service = service
        self._clock = clock
        self._more_status = more_status
        self._spec = spec

    def ready(self) -> bool:
        return self._service.active.loaded

    async def status(self, request: web.Request) -> web.Response:
        return json_response({**status(self._service), **self._more_status()})

    async def limits(self, request: web.Request) -> web.Response:
        limits = self._service.active.current.limits(request.match_info["namespace"])
        return json_response([limit_json(limit.limit, refusal=True) for limit in limits])

    async def check(self, request: web.Request) -> web.Response:
        info = await _body(request)
        decision = await self._decide(info, Mode.CHECK)
        if decision is None:
            return web.Response(status=500, text="Internal server error")
        if decision.over_limit:
            return web.Response(status=429, text="Too many requests")
        return json_response(None)

    async def report(self, request: web.Request) -> web.Response:
        info = await _body(request)
        if await self._decide(info, Mode.ADD) is None:
            return web.Response(status=500, text="Internal server error")
        return json_response(None)

    async def check_and_report(self, request: web.Request) -> web.Response:
        info = await _body(request)
        decision = await self._decide(info, Mode.CHECK_AND_ADD)
        if decision is None:
            return json_response(None, 500)
        self._service.count_call(info.namespace, [info.values], decision, info.delta)
        response = json_response(None, 429 if decision.over_limit else 200)
        if info.response_headers == "DraftVersion03":
            response.headers.update(decision.headers(DRAFT_03))
        return response

    async def spec(self, request: web.Request) -> web.Response:
        return json_response(self._spec)

    async def _decide(self, info: CheckAndReportInfo, mode: Mode) -> Decision | None:
        """None when the counters cannot be reached or held."""
        descriptors = [info.values]
        limits = self._service.active.current.candidates(info.namespace, descriptors)
        try:
            decision = await decide(
                limits,
                descriptors,
                lambda _: info.delta,
                mode,
                self._service.store,
                self._clock(),
            )
        except StoreUnavailable:
            return None
        self._service.count_failures(info.namespace, decision)
        return decision


async def _body(request: web.Request) -> CheckAndReportInfo:
    """Raises 400 and 413, both with a text."""
    if (request.content_length or 0) > MAX_BODY_BYTES:
        raise web.HTTPRequestEntityTooLarge(MAX_BODY_BYTES, request.content_length or 0)
    if request.content_type != "application/json" and not request.content_type.endswith("+json"):
        raise web.HTTPBadRequest(text="Content type error: expected application/json")
    try:
        info = msgspec.json.decode(await request.read(), type=CheckAndReportInfo)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise web.HTTPBadRequest(text=f"Json deserialize error: {error}") from error
    if not 0 <= info.delta <= U64_MAX:
        raise web.HTTPBadRequest(text="Json deserialize error: delta: expected 0 to 2^64 - 1")
    return info


def json_response(document: object, code: int = 200) -> web.Response:
    return web.Response(
        status=code, body=msgspec.json.encode(document), content_type="application/json"
    )
