"""Hypothesis strategies for CheckRequests like Envoy's, and for damage done to their bytes."""

from typing import Any

from envoy.service.auth.v3 import external_auth_pb2
from google.protobuf import any_pb2, struct_pb2
from hypothesis import strategies as st

CheckRequest = external_auth_pb2.CheckRequest

text = st.text(max_size=8)
names = st.sampled_from(["x-a", "authorization", "referer", "content-type", "x-request-id"]) | text
pairs = st.dictionaries(names, text, max_size=4)
paths = st.sampled_from(["/", "/a?b=c", "/pkg.Svc/Method", "//h/x?y", "/%zz", "*", ""]) | text
numbers = st.floats(allow_nan=False, allow_infinity=False)
json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | numbers | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=8,
)
structs = st.dictionaries(text, json_values, max_size=3)


@st.composite
def peers(draw: st.DrawFn, peer: Any) -> None:
    kind = draw(st.sampled_from(["none", "socket", "named", "pipe", "internal"]))
    if kind == "socket":
        peer.address.socket_address.address = draw(text)
        peer.address.socket_address.port_value = draw(st.integers(0, 65535))
        peer.address.socket_address.ipv4_compat = draw(st.booleans())
    elif kind == "named":
        peer.address.socket_address.named_port = draw(text)
        peer.address.socket_address.protocol = draw(st.sampled_from([0, 1]))
    elif kind == "pipe":
        peer.address.pipe.path = draw(text)
        peer.address.pipe.mode = draw(st.integers(0, 511))
    elif kind == "internal":
        peer.address.envoy_internal_address.server_listener_name = draw(text)
    peer.service = draw(text)
    peer.principal = draw(text)
    peer.certificate = draw(text)
    for name, value in draw(pairs).items():
        peer.labels[name] = value


@st.composite
def metadatas(draw: st.DrawFn, metadata: Any) -> None:
    metadata.SetInParent()
    for name, fields in draw(st.dictionaries(text, structs, max_size=2)).items():
        content = struct_pb2.Struct()
        content.update(fields)
        metadata.filter_metadata[name].CopyFrom(content)
    for name in draw(st.lists(text, max_size=1)):
        metadata.typed_filter_metadata[name].CopyFrom(
            any_pb2.Any(type_url=draw(text), value=draw(st.binary(max_size=6)))
        )


@st.composite
def requests(draw: st.DrawFn) -> CheckRequest:
    message = CheckRequest()
    attributes = message.attributes
    for peer in (attributes.source, attributes.destination):
        if draw(st.booleans()):
            peer.SetInParent()
            draw(peers(peer))
    if draw(st.booleans()):
        attributes.request.time.seconds = draw(st.integers(-(2**40), 2**40))
        attributes.request.time.nanos = draw(st.integers(0, 10**9 - 1))
    if draw(st.sampled_from([True, True, True, False])):
        http = attributes.request.http
        http.SetInParent()
        for field in ("id", "method", "host", "scheme", "query", "fragment", "protocol", "body"):
            setattr(http, field, draw(text))
        http.path = draw(paths)
        http.size = draw(st.integers(-1, 2**53))
        http.raw_body = draw(st.binary(max_size=8))
        for name, value in draw(pairs).items():
            http.headers[name] = value
        for name in draw(st.lists(names, max_size=4)):
            header = http.header_map.headers.add(key=name)
            header.raw_value = draw(st.binary(max_size=4))
    for name, value in draw(pairs).items():
        attributes.context_extensions[name] = value
    for metadata in (attributes.metadata_context, attributes.route_metadata_context):
        if draw(st.booleans()):
            draw(metadatas(metadata))
    if draw(st.booleans()):
        attributes.tls_session.sni = draw(text)
    return message


def encoded() -> st.SearchStrategy[bytes]:
    return requests().map(lambda message: message.SerializeToString(deterministic=True))


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """Valid messages joined, cut, overwritten and spliced: merging, truncation, bad lengths."""
    data = bytearray(draw(encoded()))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        action = draw(st.sampled_from(["join", "cut", "flip", "insert", "erase"]))
        if action == "join":
            data += draw(encoded())
        elif action == "cut":
            del data[at:]
        elif action == "flip" and at < len(data):
            data[at] ^= 1 << draw(st.integers(0, 7))
        elif action == "insert":
            data[at:at] = draw(st.binary(min_size=1, max_size=4))
        elif action == "erase":
            del data[at : at + draw(st.integers(1, 8))]
    return bytes(data)
