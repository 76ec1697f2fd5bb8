"""From an HTTP request to a CheckRequest."""

import ssl
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, quote, urlencode

from envoy.service.auth.v3 import external_auth_pb2

from authz.http.forwarded import CHECK, FAMILIES, Forwarded


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """As it arrived. target: path and query as sent. host: of the Host header. headers: names in
    lower case, without Host, repeated ones repeated; bytes that are no UTF-8 as surrogates.
    certificate: the TLS peer's, in DER."""

    method: str
    target: str
    host: str
    protocol: str
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    body: bytes = field(default=b"", repr=False)
    certificate: bytes | None = field(default=None, repr=False)

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
        message = _message(request, Forwarded(request.method, CHECK, request.host), query)
        # Below `/check` it is the proxy's, which says nothing of who calls.
        if request.certificate is not None:
            pem = ssl.DER_cert_to_PEM_cert(request.certificate)
            message.attributes.source.certificate = quote(pem, safe="")
    else:
        message = _message(request, read(request.host, dict(_repeated(request.headers))), "")
    return bytes(message.SerializeToString())


def _message(
    request: HttpRequest, original: Forwarded, query: str
) -> external_auth_pb2.CheckRequest:
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
    return message


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
