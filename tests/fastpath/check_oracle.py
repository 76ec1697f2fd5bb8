"""The authorization JSON built from protobuf classes: what the codec must equal."""

import base64
from collections.abc import Iterator
from typing import Any

from envoy.config.core.v3 import address_pb2, base_pb2
from envoy.service.auth.v3 import attribute_context_pb2, external_auth_pb2
from google.protobuf import struct_pb2
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.unknown_fields import UnknownFieldSet

CheckRequest = external_auth_pb2.CheckRequest
Attributes = attribute_context_pb2.AttributeContext
JSON = dict[str, Any]


def sent(**members: Any) -> JSON:
    """Without empty strings, zero numbers, false, empty maps and None."""
    return {
        name: float(value) if isinstance(value, int) and not isinstance(value, bool) else value
        for name, value in members.items()
        if value not in ("", 0, b"", {}, None) or value is True
    }


def passes_over_entries(message: Message) -> bool:
    """Whether protobuf's Python classes left a map entry out of its map: they do with one that has
    a field they do not know, which no other implementation does."""
    maps = {field.number for field in message.DESCRIPTOR.fields if _is_map(field)}
    if any(field.field_number in maps for field in UnknownFieldSet(message)):
        return True
    return any(map(passes_over_entries, _messages(message)))


def _is_map(field: FieldDescriptor) -> bool:
    entry = field.message_type
    return entry is not None and entry.GetOptions().map_entry


def _messages(message: Message) -> Iterator[Message]:
    """Those directly inside of a message."""
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        if _is_map(field):
            found = value.values()
        else:
            found = value if field.is_repeated else [value]
        yield from (inner for inner in found if isinstance(inner, Message))


def struct(message: struct_pb2.Struct) -> JSON:
    return {name: member(value) for name, value in message.fields.items()}


def member(value: struct_pb2.Value) -> Any:
    kind = value.WhichOneof("kind")
    if kind == "struct_value":
        return struct(value.struct_value)
    if kind == "list_value":
        return [member(item) for item in value.list_value.values]
    if kind in (None, "null_value"):
        return None
    return getattr(value, kind)


def base64_text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def metadata(message: base_pb2.Metadata) -> JSON:
    return sent(
        filter_metadata={name: struct(value) for name, value in message.filter_metadata.items()},
        typed_filter_metadata={
            name: sent(type_url=value.type_url, value=base64_text(value.value))
            for name, value in message.typed_filter_metadata.items()
        },
    )


def address(message: address_pb2.Address) -> JSON:
    kind = message.WhichOneof("address")
    if kind is None:
        return {"Address": None}
    if kind == "pipe":
        return {"Address": {"Pipe": sent(path=message.pipe.path, mode=message.pipe.mode)}}
    if kind == "envoy_internal_address":
        inner = message.envoy_internal_address
        named = inner.WhichOneof("address_name_specifier")
        wrapped = {"ServerListenerName": inner.server_listener_name} if named else None
        return {
            "Address": {
                "EnvoyInternalAddress": {
                    "AddressNameSpecifier": wrapped,
                    **sent(endpoint_id=inner.endpoint_id),
                }
            }
        }
    socket = message.socket_address
    port: JSON | None = None
    if socket.WhichOneof("port_specifier") == "port_value":
        port = {"PortValue": float(socket.port_value)}
    elif socket.WhichOneof("port_specifier") == "named_port":
        port = {"NamedPort": socket.named_port}
    return {
        "Address": {
            "SocketAddress": {
                "PortSpecifier": port,
                **sent(
                    protocol=socket.protocol,
                    address=socket.address,
                    resolver_name=socket.resolver_name,
                    ipv4_compat=socket.ipv4_compat or None,
                ),
            }
        }
    }


def context_peer(peer: Attributes.Peer) -> JSON:
    members = sent(
        service=peer.service,
        labels=dict(peer.labels),
        principal=peer.principal,
        certificate=peer.certificate,
    )
    if peer.HasField("address"):
        members["address"] = address(peer.address)
    return members


def flat_peer(peer: Attributes.Peer) -> JSON:
    socket = peer.address.socket_address
    members = context_peer(peer)
    members.pop("address", None)
    return members | sent(address=socket.address, port=socket.port_value)


def headers_of(http: Attributes.HttpRequest) -> dict[str, str]:
    if not http.header_map.headers:
        return dict(http.headers)
    lines: dict[str, list[str]] = {}
    for header in http.header_map.headers:
        value = header.raw_value or header.value.encode()
        name = "".join(chr(ord(c) + 32) if "A" <= c <= "Z" else c for c in header.key)
        lines.setdefault(name, []).append(envoy_text(value))
    return {name: ("; " if name == "cookie" else ",").join(v) for name, v in lines.items()}


def envoy_text(value: bytes) -> str:
    """Each byte outside UTF-8 as an exclamation mark."""
    decoded = value.decode(errors="surrogateescape")
    return "".join("!" if "\udc80" <= c <= "\udcff" else c for c in decoded)


def timestamp(request: Attributes.Request) -> JSON:
    return sent(seconds=request.time.seconds, nanos=request.time.nanos)


def context(attributes: Attributes, request_id: str) -> JSON:
    http = attributes.request.http
    members = sent(context_extensions=dict(attributes.context_extensions))
    for name in ("source", "destination"):
        if attributes.HasField(name):
            members[name] = context_peer(getattr(attributes, name))
    for name in ("metadata_context", "route_metadata_context"):
        if attributes.HasField(name):
            members[name] = metadata(getattr(attributes, name))
    if attributes.HasField("tls_session"):
        members["tls_session"] = sent(sni=attributes.tls_session.sni)
    if attributes.HasField("request"):
        request: JSON = {}
        if attributes.request.HasField("time"):
            request["time"] = timestamp(attributes.request)
        if attributes.request.HasField("http"):
            request["http"] = sent(
                id=request_id,
                method=http.method,
                headers=headers_of(http),
                path=http.path,
                host=http.host,
                scheme=http.scheme,
                query=http.query,
                fragment=http.fragment,
                size=http.size,
                protocol=http.protocol,
                body=http.body,
                raw_body=base64_text(http.raw_body),
            )
        members["request"] = request
    return members


def authorization_json(message: CheckRequest, url: JSON, request_id: str) -> JSON:
    """`url` holds url_path, query and grpc, which are tested by themselves."""
    attributes = message.attributes
    http = attributes.request.http
    headers = headers_of(http)
    request = sent(
        id=request_id,
        protocol=http.protocol,
        scheme=http.scheme,
        host=http.host,
        method=http.method,
        path=http.path,
        headers=headers,
        referer=headers.get("referer", ""),
        user_agent=headers.get("user-agent", ""),
        size=http.size,
        body=http.body,
        raw_body=base64_text(http.raw_body),
        context_extensions=dict(attributes.context_extensions),
    )
    if attributes.request.HasField("time"):
        request["time"] = timestamp(attributes.request)
    return {
        "context": context(attributes, request_id),
        "request": request | url,
        "source": flat_peer(attributes.source),
        "destination": flat_peer(attributes.destination),
        "metadata": metadata(attributes.metadata_context),
    }
