"""What a proxy tells of the request that it asks about.

The path chosen in the proxy's configuration says whose headers count. Guessing from what is present
would let a client choose: proxies pass on what they do not set themselves.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

CHECK = "/check"
X_FORWARDED = "/check/x-forwarded"
X_ORIGINAL = "/check/x-original"
# A Kubernetes API server sends none of these.
MARKS = ("forwarded", "via", "x-real-ip", "x-forwarded-", "x-original-")
Headers = Mapping[str, list[str]]


class ForwardingFault(Exception):
    """Its text tells the proxy's operator what is missing or ambiguous; it quotes no values."""


@dataclass(frozen=True, slots=True)
class Forwarded:
    """The request that is asked about. target: path and query. Empty: not known."""

    method: str
    target: str
    host: str
    scheme: str = ""
    source: str = ""


def x_forwarded(host: str, headers: Headers) -> Forwarded:
    """Traefik's ForwardAuth, Caddy's forward_auth, and HAProxy set up alike."""
    return Forwarded(
        _one(headers, "x-forwarded-method"),
        _target(headers, "x-forwarded-uri"),
        _one(headers, "x-forwarded-host"),
        _optional(headers, "x-forwarded-proto"),
        _peer(headers),
    )


def x_original(host: str, headers: Headers) -> Forwarded:
    """NGINX's auth_request with the original Host, or with X-Original-URL as ingress-nginx has it.

    X-Original-URL is the whole URL and X-Original-URI its path and query: one of them, since a
    proxy that sets one would pass on a client's other.
    """
    method = _one(headers, "x-original-method")
    if "x-original-url" not in headers:
        return Forwarded(
            method,
            _target(headers, "x-original-uri"),
            host,
            _optional(headers, "x-forwarded-proto"),
            _peer(headers),
        )
    if "x-original-uri" in headers:
        raise ForwardingFault("X-Original-URL and X-Original-URI are both there: expected one")
    scheme, separator, rest = _one(headers, "x-original-url").partition("://")
    authority, slash, path = rest.partition("/")
    if not (separator and scheme and authority and slash) or set("?#@\\") & set(authority):
        raise ForwardingFault("X-Original-URL: expected scheme://host/path")
    return Forwarded(method, slash + path, authority, scheme, _peer(headers))


# None: the request itself is what is asked about, as with Authorino.
FAMILIES: Mapping[str, Callable[[str, Headers], Forwarded] | None] = {
    CHECK: None,
    X_FORWARDED: x_forwarded,
    X_ORIGINAL: x_original,
}


def passed_a_proxy(names: Mapping[str, object] | list[str]) -> bool:
    """Whether header names, in lower case, tell that a proxy handed the request on."""
    return any(name.startswith(MARKS) for name in names)


def _one(headers: Headers, name: str) -> str:
    found = headers.get(name, [])
    if len(found) != 1 or not found[0]:
        raise ForwardingFault(f"{name}: expected exactly one, set by the proxy")
    return found[0]


def _target(headers: Headers, name: str) -> str:
    target = _one(headers, name)
    if not target.startswith("/"):
        raise ForwardingFault(f"{name}: expected a path")
    return target


def _optional(headers: Headers, name: str) -> str:
    return _one(headers, name) if name in headers else ""


def _peer(headers: Headers) -> str:
    """Whom the proxy saw: the last of X-Forwarded-For, which is the one it added itself."""
    return ",".join(headers.get("x-forwarded-for", [])).rpartition(",")[2].strip()
