"""The CheckRequest that `tollhouse explain` asks about, as Envoy would send it."""

from pathlib import Path

from envoy.service.auth.v3 import attribute_context_pb2, external_auth_pb2
from google.protobuf import json_format

from tollhouse.errors import StartError
from tollhouse.explain_flags import ExplainSettings

MOST_BYTES = 4 << 20  # of a file; Envoy's requests are bounded like it


def check_request_of(settings: ExplainSettings) -> bytes:
    """Encoded. Raises StartError for a file that cannot be used."""
    request = external_auth_pb2.CheckRequest()
    if settings.attributes is not None:
        request.attributes.CopyFrom(_attributes(settings.attributes))
    http = request.attributes.request.http
    if settings.host is not None:
        http.host = settings.host
    http.method = settings.method
    http.path = settings.path
    http.scheme = http.scheme or "http"
    http.protocol = http.protocol or "HTTP/1.1"
    pseudo = {":authority": http.host, ":method": http.method, ":path": http.path}
    http.headers.update(pseudo)
    for name, value in settings.headers:
        # As Envoy joins what is repeated.
        http.headers[name] = f"{http.headers[name]},{value}" if name in http.headers else value
    body = _body(settings.body)
    if body:
        http.size = len(body)
        try:
            http.body = body.decode()
        except UnicodeDecodeError:
            http.raw_body = body
    return bytes(request.SerializeToString())


def _body(text: str) -> bytes:
    return _read(Path(text[1:])) if text.startswith("@") else text.encode()


def _attributes(path: Path) -> attribute_context_pb2.AttributeContext:
    attributes = attribute_context_pb2.AttributeContext()
    try:
        json_format.Parse(_read(path), attributes)
        return attributes
    except json_format.ParseError as error:
        raise StartError(f"{path}: no AttributeContext: {error}") from error


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise StartError(f"{path}: cannot be read: {error.strerror}") from error
    if len(data) > MOST_BYTES:
        raise StartError(f"{path}: expected at most {MOST_BYTES} bytes")
    return data
