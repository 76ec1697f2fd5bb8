"""gRPC metadata between Python tuples and the packed form that crosses threads.

Packed: u16 name size, u32 value size (little-endian), name, value; repeated. Values of names that
end in "-bin" are base64 on the wire and bytes in Python (gRPC over HTTP/2, "Custom-Metadata").
"""

import base64
import binascii
import struct

from _fastpath.rpc import Metadata

_SIZES = struct.Struct("<HI")


def decode_metadata(packed: bytes) -> Metadata:
    """Pairs in the order of arrival; a malformed binary value is dropped."""
    pairs: list[tuple[str, str | bytes]] = []
    at = 0
    while at < len(packed):
        name_size, value_size = _SIZES.unpack_from(packed, at)
        at += _SIZES.size
        name = packed[at : at + name_size].decode("latin-1")
        value = packed[at + name_size : at + name_size + value_size]
        at += name_size + value_size
        if not name.endswith("-bin"):
            pairs.append((name, value.decode("latin-1")))
            continue
        for part in value.split(b","):
            try:
                pairs.append(
                    (name, base64.b64decode(part + b"=" * (-len(part) % 4), validate=True))
                )
            except binascii.Error:
                continue
    return tuple(pairs)


def encode_metadata(metadata: Metadata) -> bytes:
    """Names must be lower-case header names; raises ValueError for one that is not."""
    packed = bytearray()
    for name, value in metadata:
        if not name or name != name.lower() or name.startswith(("grpc-", ":")):
            raise ValueError(f"not a metadata name: {name!r}")
        text = value.encode("latin-1") if isinstance(value, str) else value
        if name.endswith("-bin"):
            text = base64.b64encode(text).rstrip(b"=")
        elif any(byte < 0x20 or byte > 0x7E for byte in text):
            raise ValueError(f"metadata {name!r} has a value outside printable ASCII")
        encoded = name.encode("ascii")
        packed += _SIZES.pack(len(encoded), len(text)) + encoded + text
    return bytes(packed)
