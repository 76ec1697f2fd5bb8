"""From a CheckResponse to an HTTP answer."""

from dataclasses import dataclass, field

from envoy.service.auth.v3 import external_auth_pb2

from _fastpath.rpc import Status

REASON = "X-Ext-Auth-Reason"
TEXT = "text/plain; charset=utf-8"
JSON = "application/json"
# They frame the answer, which is for the HTTP library alone.
FRAMING = frozenset(
    {
        *("connection", "keep-alive", "proxy-connection", "te", "trailer", "upgrade"),
        *("content-encoding", "content-length", "transfer-encoding", "date"),
    }
)
HTTP_STATUSES = {
    Status.OK: 200,
    Status.INVALID_ARGUMENT: 400,
    Status.UNAUTHENTICATED: 401,
    Status.PERMISSION_DENIED: 403,
    Status.NOT_FOUND: 404,
    Status.RESOURCE_EXHAUSTED: 429,
}
OTHERWISE = 503


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """Headers in order, repeated names repeated; `code` is the status of the decision."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: str = field(default="", repr=False)
    code: Status = Status.OK

    @property
    def reason(self) -> str:
        return next((value for name, value in reversed(self.headers) if name == REASON), "")


def http_answer_of(response: bytes) -> HttpAnswer:
    """What an encoded CheckResponse means in HTTP: 200 for OK and for nothing else."""
    message = external_auth_pb2.CheckResponse.FromString(response)
    code = Status(message.status.code)
    if code is Status.OK:
        return HttpAnswer(200, _headers(message.ok_response), "", code)
    denied = message.denied_response
    status = int(denied.status.code)
    if not 300 <= status <= 599:
        status = HTTP_STATUSES.get(code, OTHERWISE)
    headers = _headers(denied)
    if denied.body and not any(name.lower() == "content-type" for name, _ in headers):
        headers = ("Content-Type", TEXT), *headers
    return HttpAnswer(status, headers, denied.body, code)


def _headers(
    part: external_auth_pb2.OkHttpResponse | external_auth_pb2.DeniedHttpResponse,
) -> tuple[tuple[str, str], ...]:
    pairs = ((option.header.key, option.header.value) for option in part.headers)
    return tuple((name, value) for name, value in pairs if name.lower() not in FRAMING)
