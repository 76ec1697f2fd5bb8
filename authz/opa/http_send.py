"""http.send of the embedded engine: through the client of all evaluators, with its bounds.

Options that need a connection of their own (certificates, sockets) are not known; those about
caching change no result and are passed over.
"""

import json
from collections.abc import Awaitable, Callable, Mapping

from authz.opa.errors import EvaluationFailed, Unsupported
from authz.opa.provided_time import duration_ns
from authz.outgoing.errors import OutgoingError
from authz.outgoing.message import OutgoingRequest, OutgoingResponse

Send = Callable[[OutgoingRequest], Awaitable[OutgoingResponse]]
TIMEOUT_S = 5.0
_KNOWN = frozenset(
    {
        "url", "method", "body", "raw_body", "headers", "enable_redirect", "force_json_decode",
        "timeout", "raise_error", "cache", "force_cache", "force_cache_duration_seconds",
        "caching_mode", "max_retry_attempts",
    }
)  # fmt: skip
FAILED = "http.send() failed"


async def http_send(send: Send, options: object) -> Mapping[str, object]:
    """The response as OPA has it. Raises EvaluationFailed and Unsupported."""
    if not isinstance(options, dict):
        raise EvaluationFailed("http.send() takes an object")
    unknown = sorted(options.keys() - _KNOWN)
    if unknown:
        raise Unsupported(f"http.send() with {unknown[0]}")
    try:
        response = await send(_request(options))
    except OutgoingError as error:
        if options.get("raise_error") is not False:
            raise EvaluationFailed(f"{FAILED}: {error}") from error
        return {
            "status_code": 0,
            "error": {"code": "eval_http_send_network_error", "message": str(error)},
        }
    return {
        "status": f"{response.status} {response.reason}",
        "status_code": response.status,
        "headers": {name: [value] for name, value in response.headers.items()},
        "raw_body": response.body.decode(errors="replace"),
        "body": _body(response, force=options.get("force_json_decode") is True),
    }


def _request(options: Mapping[str, object]) -> OutgoingRequest:
    method, url = options.get("method"), options.get("url")
    headers = options.get("headers") or {}
    if not isinstance(method, str) or not isinstance(url, str) or not isinstance(headers, dict):
        raise EvaluationFailed("http.send() takes a method, a url and headers")
    pairs = [(name, str(value)) for name, value in headers.items()]
    body: bytes | None = None
    if "body" in options:
        body = json.dumps(options["body"], separators=(",", ":")).encode()
        if not any(name.lower() == "content-type" for name, _ in pairs):
            pairs.append(("Content-Type", "application/json"))
    elif isinstance(options.get("raw_body"), str):
        body = str(options["raw_body"]).encode()
    return OutgoingRequest(
        method.upper(),
        url,
        tuple(pairs),
        body,
        _timeout_s(options.get("timeout")),
        follow_redirects=options.get("enable_redirect") is True,
    )


def _timeout_s(timeout: object) -> float:
    """Nanoseconds, or a text such as `3s`; never more than TIMEOUT_S."""
    try:
        nanoseconds = duration_ns(timeout) if isinstance(timeout, str) else timeout
    except ValueError as error:
        raise EvaluationFailed("http.send() takes a duration as timeout") from error
    if not isinstance(nanoseconds, int | float) or not nanoseconds > 0:
        return TIMEOUT_S
    return min(nanoseconds / 1e9, TIMEOUT_S)


def _body(response: OutgoingResponse, *, force: bool) -> object:
    """The JSON of the body, None when it is none."""
    kind = response.headers.get("content-type", "")
    if not force and "json" not in kind:
        return None
    try:
        return json.loads(response.body)
    except (ValueError, RecursionError):
        return None
