"""Dynamic metadata of a refusal: JSON data as the Struct that Envoy keeps."""

import json
from collections.abc import Mapping

from google.protobuf.json_format import MessageToDict, ParseDict, ParseError
from google.protobuf.struct_pb2 import Struct

MAX_NESTING = 62  # two messages per level of JSON; Envoy reads at most 100 nested ones


def encode_metadata(metadata: Mapping[str, object]) -> bytes:
    """Keys in the order of their bytes; numbers become doubles, as a Struct has no others.

    Raises ValueError for what JSON cannot say and for more than 31 levels.
    """
    try:
        json.dumps(metadata, allow_nan=False)
        struct = ParseDict(dict(metadata), Struct(), max_recursion_depth=MAX_NESTING)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except (ParseError, TypeError, OverflowError) as error:
        raise ValueError(f"no JSON object that Envoy could read: {error}") from error
    return struct.SerializeToString(deterministic=True)


def decode_metadata(metadata: bytes) -> dict[str, object]:
    """What `encode_metadata` encoded, with its numbers as doubles."""
    return MessageToDict(Struct.FromString(metadata))
