"""From an HTTP request to a CheckRequest."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlencode

from envoy.service.auth.v3 import external_auth_pb2

from authz.http.forwarded import CHECK, FAMILIES, Forwarded


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """As it arrived. target: path and query as sent. host: of the Host header. headers: names in
    lower case, without Host, repeated ones repeated; bytes that are no UTF-8 as surrogates."""

    method: str
    target: str
    host: str
    protocol: str
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    body: bytes = field(default=b"", repr=False)

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    def values(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key == name]


def check_request_of(request: HttpRequest) -> bytes:
    """A CheckRequest, encoded, of a request to one of the paths of FAMILIES.

    `/check` is about the request itself; below it about the one that a proxy tells of. Raises
    forwarded.ForwardingFault.
    """
    read = FAMILIES[request.path]
    if read is None:
        query = _sorted_query(request.target.partition("?")[2])
        return _encoded(request, Forwarded(request.method, CHECK, request.host), query)
    return _encoded(request, read(request.host, dict(_repeated(request.headers))), "")


def _encoded(request: HttpRequest, original: Forwarded, query: str) -> bytes:
    message = external_auth_pb2.CheckRequest()
    http = message.attributes.request.http
    http.method = _text(original.method)
    http.path = _text(original.target)
    http.query = _text(query)
    http.host = _text(original.host)
    http.scheme = _text(original.scheme)
    http.protocol = request.protocol
    http.headers.update(_joined(request.headers))
    if original.source:
        message.attributes.source.address.socket_address.address = _text(original.source)
    try:
        http.body = request.body.decode()
    except UnicodeDecodeError:
        http.raw_body = request.body
    return bytes(message.SerializeToString())


def _joined(headers: Iterable[tuple[str, str]]) -> Mapping[str, str]:
    """One text per name; Authorino puts a space between the values of a repeated header."""
    return {_text(name): _text(" ".join(values)) for name, values in _repeated(headers)}


def _repeated(headers: Iterable[tuple[str, str]]) -> Iterable[tuple[str, list[str]]]:
    found: dict[str, list[str]] = {}
    for name, value in headers:
        found.setdefault(name, []).append(value)
    return found.items()


def _sorted_query(query: str) -> str:
    """As Go's url.Values encodes it: by name, in one spelling."""
    pairs = parse_qsl(query, keep_blank_values=True, errors="surrogateescape")
    pairs.sort(key=lambda pair: pair[0])
    return urlencode(pairs, errors="surrogateescape")


def _text(text: str) -> str:
    """Text that protobuf takes: what was no UTF-8 becomes U+FFFD."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
