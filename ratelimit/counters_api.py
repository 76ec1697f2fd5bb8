"""Operations on counters over HTTP: list them, reset them, set one.

All of them pick counters with the same query: `limit=` (a limit's name, empty for those without
one), `var.<variable>=` (a variable's value, by its source text) and `value_over=` (hits counted).
Listing answers as Limitador does; with `count=` it answers in pages and tells `value` as well.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import msgspec
from aiohttp import web

from _fastpath.counters import Counter
from ratelimit.errors import StoreUnavailable
from ratelimit.field_shape import U64_MAX
from ratelimit.http_api import MAX_BODY_BYTES, json_response
from ratelimit.limit import SECOND_NS, Limit
from ratelimit.limit_json import limit_json
from ratelimit.service import RateLimitService

SLICE = 1000  # entries visited before other work has its turn
MOST_SLICES = 100  # per page; one of a table full of others' counters may come out empty
MOST_PER_PAGE = 10_000
VARIABLE = "var."
PARAMETERS = ("limit", "value_over")
PAGING = ("count", "cursor")


class Authorize(Protocol):
    """Decides who may do what to counters."""

    async def __call__(self, request: web.Request, *, changes: bool) -> None:
        """Return for a request that may go on; raises 401 or 403."""


class _Value(msgspec.Struct, forbid_unknown_fields=True):
    """Body of PATCH."""

    value: int


@dataclass(frozen=True, slots=True)
class Selection:
    """Which counters are meant; None and an empty mapping leave that side open."""

    limit: str | None
    values: Mapping[str, str]
    value_over: int | None

    def limits(self, limits: Iterable[Limit]) -> dict[bytes, Limit]:
        """Those that may have such counters, by digest."""
        return {
            limit.digest: limit
            for limit in limits
            if (self.limit is None or self.limit == (limit.name or ""))
            and self.values.keys() <= set(limit.variables)
        }

    def key(self, limit: Limit) -> tuple[str, ...] | None:
        """The values of the one counter that is meant; None when several may be."""
        if self.values.keys() != set(limit.variables):
            return None
        return tuple(self.values[variable] for variable in limit.variables)

    def matches(self, limit: Limit, counter: Counter) -> bool:
        if self.value_over is not None and counter.value <= self.value_over:
            return False
        values = dict(zip(limit.variables, counter.values, strict=True))
        return all(values[name] == value for name, value in self.values.items())


def routes(service: RateLimitService, authorize: Authorize | None = None) -> list[web.RouteDef]:
    """The routes of `/counters/{namespace}`.

    Without `authorize` counters are listed for everybody and cannot be changed, as in Limitador.
    """
    api = _CountersApi(service)
    methods = {"GET": api.show, "DELETE": api.reset, "PATCH": api.change}

    async def answer(request: web.Request) -> web.StreamResponse:
        method = methods.get(request.method)
        if method is None or (authorize is None and request.method != "GET"):
            return web.Response(status=404)
        if not service.active.loaded:
            return web.Response(status=503, text="No limits are loaded")
        if authorize is not None:
            await authorize(request, changes=request.method != "GET")
        try:
            return await method(request)
        except StoreUnavailable as error:
            # Who lists without pages may be a client of Limitador, whose answer this is.
            plain = request.method == "GET" and not request.query
            text = "Internal server error" if plain else f"the counters cannot be reached: {error}"
            return web.Response(status=500, text=text)

    return [web.route("*", "/counters/{namespace}", answer)]


class _CountersApi:
    def __init__(self, service: RateLimitService) -> None:
        self._service = service

    async def show(self, request: web.Request) -> web.StreamResponse:
        selection = _selection(request, PAGING)
        limits = selection.limits(self._limits(request))
        count = _number(request, "count", 1, MOST_PER_PAGE)
        if count is not None or "cursor" in request.query:
            return await self._page(request, selection, limits, count or SLICE)
        slices = self._walk(selection, limits)
        listed: list[dict[str, object]] = []
        async for counters in slices:
            listed += [_document(limits[c.limit_digest], c) for c in counters]
            if len(listed) >= SLICE:
                return await _stream(request, listed, limits, slices)
        return json_response(listed)

    async def _page(
        self, request: web.Request, selection: Selection, limits: dict[bytes, Limit], count: int
    ) -> web.Response:
        cursor = request.query.get("cursor", "")
        listed: list[dict[str, object]] = []
        for _ in range(MOST_SLICES if limits else 0):
            try:
                cursor, counters = await self._slice(selection, limits, cursor, count)
            except ValueError as error:
                raise web.HTTPBadRequest(text="cursor: expected that of a page") from error
            listed += [{**_document(limits[c.limit_digest], c), "value": c.value} for c in counters]
            if len(listed) >= count or not cursor:
                break
        response = json_response(listed)
        if cursor:
            following = request.rel_url.update_query(cursor=cursor, count=str(count))
            response.headers["Link"] = f'<{following}>; rel="next"'
        return response

    async def _walk(
        self, selection: Selection, limits: dict[bytes, Limit]
    ) -> AsyncIterator[list[Counter]]:
        cursor = ""
        while limits:
            cursor, counters = await self._slice(selection, limits, cursor, SLICE)
            yield counters
            if not cursor:
                return

    async def _slice(
        self, selection: Selection, limits: dict[bytes, Limit], cursor: str, count: int
    ) -> tuple[str, list[Counter]]:
        """What the next entries hold of it, and the cursor behind them."""
        cursor, counters = await self._service.store.list(limits, cursor, min(count, SLICE))
        await asyncio.sleep(0)  # other work has its turn
        return cursor, [c for c in counters if selection.matches(limits[c.limit_digest], c)]

    async def reset(self, request: web.Request) -> web.Response:
        """Delete the counters that are meant; tells how many there were."""
        selection = _selection(request)
        limits = selection.limits(self._limits(request))
        store = self._service.store
        if not selection.values and selection.value_over is None:
            return json_response({"removed": await store.remove(limits)})
        removed = 0
        walked = {}
        for digest, limit in limits.items():
            key = selection.key(limit)
            if key is None or selection.value_over is not None:
                walked[digest] = limit
            else:
                removed += await store.reset(limit.namespace, digest, key)
        async for counters in self._walk(selection, walked):
            for counter in counters:
                digest = counter.limit_digest
                removed += await store.reset(limits[digest].namespace, digest, counter.values)
        return json_response({"removed": removed})

    async def change(self, request: web.Request) -> web.Response:
        """Let one counter, which need not exist, have counted so many hits."""
        selection = _selection(request)
        if selection.value_over is not None:
            raise web.HTTPBadRequest(text="value_over: has no meaning here")
        value = await _new_value(request)
        limits = selection.limits(self._limits(request))
        found = [(limit, selection.key(limit)) for limit in limits.values()]
        keyed = [(limit, key) for limit, key in found if key is not None]
        if not found:
            raise web.HTTPNotFound(text="no such limit")
        if not keyed:
            wanted = ", ".join(VARIABLE + name for name in found[0][0].variables)
            raise web.HTTPBadRequest(text=f"expected a value for each of {wanted}")
        if len(keyed) > 1:
            raise web.HTTPConflict(text="several limits are meant; name one with limit=")
        ((limit, key),) = keyed
        try:
            store = self._service.store
            await store.set(limit.namespace, limit.digest, limit.quota, key, value)
        except ValueError as error:
            raise web.HTTPBadRequest(text=f"value: {error}") from error
        return json_response(
            {
                "limit": limit_json(limit),
                "set_variables": dict(zip(limit.variables, key, strict=True)),
                "value": value,
            }
        )

    def _limits(self, request: web.Request) -> Iterable[Limit]:
        namespace = request.match_info["namespace"]
        return (limit.limit for limit in self._service.active.current.limits(namespace))


def _selection(request: web.Request, more: Sequence[str] = ()) -> Selection:
    """Raises 400 for what is no parameter: a misspelled filter must not widen what is deleted."""
    known = (*PARAMETERS, *more)
    values: dict[str, str] = {}
    seen = set()
    for name, value in request.query.items():
        if name in seen:
            raise web.HTTPBadRequest(text=f"{name}: given twice")
        seen.add(name)
        if name.startswith(VARIABLE):
            values[name.removeprefix(VARIABLE)] = value
        elif name not in known:
            expected = ", ".join((*known, f"{VARIABLE}<variable>"))
            raise web.HTTPBadRequest(text=f"{name}: unknown; expected one of {expected}")
    over = _number(request, "value_over", 0, U64_MAX)
    return Selection(request.query.get("limit"), values, over)


def _number(request: web.Request, name: str, least: int, most: int) -> int | None:
    text = request.query.get(name)
    if text is None:
        return None
    digits = text.isascii() and text.isdigit() and len(text) <= 20
    if not (digits and least <= int(text) <= most):
        raise web.HTTPBadRequest(text=f"{name}: expected a whole number, {least} to {most}")
    return int(text)


async def _new_value(request: web.Request) -> int:
    if (request.content_length or 0) > MAX_BODY_BYTES:
        raise web.HTTPRequestEntityTooLarge(MAX_BODY_BYTES, request.content_length or 0)
    try:
        value = msgspec.json.decode(await request.read(), type=_Value).value
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise web.HTTPBadRequest(text=f'expected {{"value": <hits>}}: {error}') from error
    if not 0 <= value <= U64_MAX:
        raise web.HTTPBadRequest(text="value: expected 0 to 2^64 - 1")
    return value


async def _stream(
    request: web.Request,
    first: list[dict[str, object]],
    limits: Mapping[bytes, Limit],
    more: AsyncIterator[list[Counter]],
) -> web.StreamResponse:
    """A list of any length in little memory; what fails in its middle cuts the connection."""
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(request)
    await response.write(b"[" + _items(first))
    async for counters in more:
        if counters:
            found = [_document(limits[c.limit_digest], c) for c in counters]
            await response.write(b"," + _items(found))
    await response.write(b"]")
    await response.write_eof()
    return response


def _items(documents: list[dict[str, object]]) -> bytes:
    return b",".join(map(msgspec.json.encode, documents))


def _document(limit: Limit, counter: Counter) -> dict[str, object]:
    return {
        "limit": limit_json(limit),
        "set_variables": dict(zip(limit.variables, counter.values, strict=True)),
        "remaining": _remaining(limit, counter.value),
        "expires_in_seconds": counter.reset_ns // SECOND_NS,
    }


def _remaining(limit: Limit, value: int) -> int | None:
    """What is left, None where there is no end; below zero only for a limit of 0, whose counter
    would else tell nothing."""
    if limit.unlimited:
        return None
    return max(limit.capacity - value, 0) if limit.max_value else -value
