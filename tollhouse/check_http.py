"""The listener for Check over plain HTTP; what requests and answers mean stands in authz/http."""

import time
from collections.abc import Awaitable, Callable

from aiohttp import web
from multidict import CIMultiDict

from _fastpath.rpc import Context, RpcError, Status
from authz.call_metrics import HTTP_SECONDS
from authz.http.admission import review_answer, review_uid
from authz.http.answer import REASON, HttpAnswer, http_answer_of
from authz.http.forwarded import CHECK, FAMILIES, ForwardingFault
from authz.http.request import HttpRequest, check_request_of
from tollhouse.bounded_http import BodyTooLarge, HttpBounds, read_body
from tollhouse.local_call import LocalCall

METHODS = ("GET", "POST")  # of `/check`; below it the proxy's own method means nothing
HANDLED = "http_server_handled_total"


class CheckHttp:
    """Answers for one listener. check: as AuthorizationService's. count: called with the name and
    labels of a series. took: with the name of a histogram and nanoseconds."""

    def __init__(
        self,
        check: Callable[[bytes, Context], Awaitable[bytes]],
        count: Callable[..., None],
        took: Callable[[str, int], None],
        *,
        most_body_bytes: int,
        bounds: HttpBounds | None = None,
    ) -> None:
        self._check = check
        self._count = count
        self._took = took
        self._most = most_body_bytes
        self._bounds = bounds or HttpBounds()

    async def __call__(self, request: web.BaseRequest) -> web.Response:
        path = request.raw_path.partition("?")[0]
        if path not in FAMILIES or (path == CHECK and request.method not in METHODS):
            return web.Response(status=404)
        try:
            body = await read_body(request, self._most, self._bounds.body_seconds)
        except BodyTooLarge:
            return _closed(413)
        except TimeoutError:
            return _closed(408)
        except (web.RequestPayloadError, OSError):
            return _closed(400)
        try:
            return _response(await self._decide(_asked(request, body), request.remote or ""))
        except ForwardingFault as fault:
            return web.Response(status=400, headers={REASON: str(fault)})

    async def _decide(self, request: HttpRequest, peer: str) -> HttpAnswer:
        call = LocalCall(time.monotonic_ns(), time.time_ns(), peer)
        message = check_request_of(request)
        try:
            answer = http_answer_of(await self._check(message, call))
        except RpcError:
            answer = HttpAnswer(503, code=Status.UNAVAILABLE)
        self._count(HANDLED, _camel(answer.code))
        self._took(HTTP_SECONDS, time.monotonic_ns() - call.mono_ns)
        uid = review_uid(request)
        return answer if uid is None else review_answer(uid, answer)


def _asked(request: web.BaseRequest, body: bytes) -> HttpRequest:
    headers = ((name.lower(), value) for name, value in request.headers.items())
    return HttpRequest(
        method=request.method,
        target=request.raw_path,
        host=request.headers.get("Host", ""),
        protocol=f"HTTP/{request.version.major}.{request.version.minor}",
        headers=tuple((name, value) for name, value in headers if name != "host"),
        body=body,
        certificate=_certificate(request),
    )


def _response(answer: HttpAnswer) -> web.Response:
    headers = CIMultiDict(answer.headers)
    return web.Response(status=answer.status, headers=headers, body=answer.body.encode() or None)


def _certificate(request: web.BaseRequest) -> bytes | None:
    """The TLS peer's, in DER; the handshake found it to be of the client CAs."""
    transport = request.transport
    connection = None if transport is None else transport.get_extra_info("ssl_object")
    return None if connection is None else connection.getpeercert(binary_form=True)


def _closed(status: int) -> web.Response:
    """For a request that was not read to its end, so that nothing can follow it."""
    response = web.Response(status=status)
    response.force_close()
    return response


def _camel(status: Status) -> str:
    """As gRPC spells a code: PERMISSION_DENIED is PermissionDenied."""
    return status.name if status is Status.OK else status.name.title().replace("_", "")
