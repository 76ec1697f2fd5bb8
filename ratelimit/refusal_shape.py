"""The reply of a limit that refuses, as a limits file writes it."""

import re

from _fastpath.header_spec import Refusal
from ratelimit import yaml_tree
from ratelimit.field_shape import (
    NULLS,
    TEXT_SCHEMA,
    Faults,
    Shape,
    Text,
    boolean,
    integer,
    kind,
)
from ratelimit.refusal import decode_metadata, encode_metadata
from ratelimit.yaml_tree import Node, Scalar, Sequence

MOST_BODY_BYTES = 65536  # arbitrary: far beyond an error message, and sent with each refusal
MOST_VALUES = 1000  # aliases make a short file stand for a huge one
MOST_LEVELS = 31  # what Envoy reads of a Struct
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")


class Reply(Shape[Refusal | None]):
    """body, headers and metadata, each may be left out."""

    def __init__(self) -> None:
        schema = {
            "type": "object",
            "properties": {
                "body": TEXT_SCHEMA,
                "headers": {"type": "object", "additionalProperties": TEXT_SCHEMA},
                "metadata": {"type": "object"},
            },
            "additionalProperties": False,
        }
        super().__init__("a mapping with body, headers or metadata", schema)

    def read(self, name: str, node: Node, faults: Faults) -> Refusal | None:
        if not isinstance(node, yaml_tree.Mapping):
            self.refuse(name, node, faults)
            return None
        found = _members(name, node, faults)
        unknown = found.keys() - {"body", "headers", "metadata"}
        for key in sorted(unknown):
            faults.refuse(found[key], f"{name}.{key}", f"is unknown; expected {self.expected}")
        body = _body(f"{name}.body", found.get("body"), faults)
        headers = _headers(f"{name}.headers", found.get("headers"), faults)
        metadata = _metadata(f"{name}.metadata", found.get("metadata"), faults)
        try:
            return Refusal(body, headers, metadata)
        except ValueError as error:
            faults.refuse(found.get("headers", node), f"{name}.headers", str(error))
            return None

    def written(self, value: Refusal | None) -> object:
        if value is None:
            return None
        document: dict[str, object] = {}
        if value.body:
            document["body"] = value.body.decode()
        if value.headers:
            document["headers"] = dict(value.headers)
        if value.metadata is not None:
            document["metadata"] = decode_metadata(value.metadata)
        return document


def _members(name: str, node: yaml_tree.Mapping, faults: Faults) -> dict[str, Node]:
    found: dict[str, Node] = {}
    for key, value in node.pairs:
        if not isinstance(key, Scalar):
            faults.refuse(key, name, f"{kind(key)} as a key; expected text")
        elif key.text in found:
            faults.refuse(key, f"{name}.{key.text}", "is given twice")
        else:
            found[key.text] = value
    return found


def _body(name: str, node: Node | None, faults: Faults) -> bytes:
    text = Text().read(name, node, faults) if node is not None else None
    body = (text or "").encode()
    if node is not None and len(body) > MOST_BODY_BYTES:
        faults.refuse(node, name, f"expected at most {MOST_BODY_BYTES} bytes")
    return body


def _headers(name: str, node: Node | None, faults: Faults) -> tuple[tuple[str, str], ...]:
    if node is None:
        return ()
    if not isinstance(node, yaml_tree.Mapping):
        faults.refuse(node, name, f"{kind(node)}; expected a mapping of names to text")
        return ()
    members = _members(name, node, faults).items()
    read = ((key, Text().read(f"{name}.{key}", value, faults)) for key, value in members)
    return tuple((key, text) for key, text in read if text is not None)


def _metadata(name: str, node: Node | None, faults: Faults) -> bytes | None:
    if node is None:
        return None
    if not isinstance(node, yaml_tree.Mapping):
        faults.refuse(node, name, f"{kind(node)}; expected a mapping")
        return None
    if not _is_small(node):
        message = f"expected at most {MOST_VALUES} values in {MOST_LEVELS} levels"
        faults.refuse(node, name, message)
        return None
    before = len(faults.problems)
    document = _json_object(name, node, faults)
    if len(faults.problems) > before:
        return None
    try:
        return encode_metadata(document)
    except ValueError as error:
        faults.refuse(node, name, str(error))
        return None


def _is_small(root: Node) -> bool:
    """Counts every node as often as it is named."""
    left = [(root, 1)]
    for _ in range(MOST_VALUES):
        if not left:
            return True
        node, level = left.pop()
        if level > MOST_LEVELS and not isinstance(node, Scalar):
            return False
        if isinstance(node, Sequence):
            left += [(item, level + 1) for item in node.items]
        elif isinstance(node, yaml_tree.Mapping):
            left += [(value, level + 1) for _, value in node.pairs]
    return not left


def _json(name: str, node: Node, faults: Faults) -> object:
    if isinstance(node, Sequence):
        return [_json(f"{name}[{index}]", item, faults) for index, item in enumerate(node.items)]
    if isinstance(node, yaml_tree.Mapping):
        return _json_object(name, node, faults)
    if not node.plain:
        return node.text
    if node.text in NULLS:
        return None
    flag = boolean(node.text)
    if flag is not None:
        return flag
    number = integer(node.text)
    if number is not None:
        return number
    return float(node.text) if _FLOAT.fullmatch(node.text) else node.text


def _json_object(name: str, node: yaml_tree.Mapping, faults: Faults) -> dict[str, object]:
    members = _members(name, node, faults)
    return {key: _json(f"{name}.{key}", value, faults) for key, value in members.items()}
