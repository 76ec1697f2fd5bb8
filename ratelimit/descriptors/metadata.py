"""Dynamic metadata of an answer: what was asked, and what the limits that passed say."""

from collections.abc import Iterable, Mapping
from typing import Any

from google.protobuf.struct_pb2 import Struct

from _fastpath.rls_message import Descriptor, Override, RateLimitRequest
from ratelimit.descriptors.limit import Unit


def response_metadata(request: RateLimitRequest, passed: Iterable[Mapping[str, Any]]) -> bytes:
    """An encoded google.protobuf.Struct, keys in order of their bytes."""
    document: dict[str, Any] = {
        "domain": request.domain,
        "descriptors": [_descriptor(each) for each in request.descriptors],
    }
    if request.hits_addend:
        document["hitsAddend"] = request.hits_addend
    metadata: dict[str, Any] = {}
    for each in passed:
        metadata = merged(metadata, each)
    if metadata:
        document["metadata"] = metadata
    struct = Struct()
    struct.update(document)
    return bytes(struct.SerializeToString(deterministic=True))


def merged(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """Both; of a name in both, mappings are joined and else the first one stays."""
    found = dict(first)
    for name, value in second.items():
        there = found.get(name)
        if name not in found:
            found[name] = value
        elif isinstance(there, Mapping) and isinstance(value, Mapping):
            found[name] = merged(there, value)
    return found


def _descriptor(descriptor: Descriptor) -> dict[str, Any]:
    told: dict[str, Any] = {"entries": [f"{key}={value}" for key, value in descriptor.entries]}
    if descriptor.override is not None:
        told["limit"] = _override(descriptor.override)
    if descriptor.hits_addend is not None:
        told["hitsAddend"] = descriptor.hits_addend
    return told


def _override(override: Override) -> str:
    """The text form of the message."""
    text = f"requests_per_unit:{override.requests_per_unit} unit:{Unit(override.unit).name}"
    if override.unit_multiplier:
        text += f" unit_multiplier:{{value:{override.unit_multiplier}}}"
    return text
