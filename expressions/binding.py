"""Values on their way into and out of cel-expr-python.

Version 0.1.3 cuts text, bytes and map keys at the first NUL on the way in, which would let a
request value pass for another. Protobuf messages arrive whole, so whatever holds a NUL travels as
one of the well-known types, which CEL treats as the plain value.
"""

from cel_expr_python import cel
from google.protobuf.struct_pb2 import NULL_VALUE, Struct, Value
from google.protobuf.wrappers_pb2 import BytesValue, StringValue

from expressions.errors import ErrorCode, EvaluationError


def to_cel(value: object) -> object:
    """The same value, with NUL-bearing parts in messages; `value` itself where there are none.

    Raises EvaluationError for a map with a NUL in a key and something in it that JSON has not.
    """
    if isinstance(value, str):
        return StringValue(value=value) if "\0" in value else value
    if isinstance(value, dict):
        return _map_to_cel(value)
    if isinstance(value, list):
        items = [to_cel(item) for item in value]
        changed = any(a is not b for a, b in zip(items, value, strict=True))
        return items if changed else value
    if isinstance(value, (bytes, bytearray)):
        return BytesValue(value=bytes(value)) if b"\0" in value else value
    return value


def _map_to_cel(value: dict[object, object]) -> object:
    if any(isinstance(key, str) and "\0" in key for key in value):
        return _struct(value)
    items = {key: to_cel(item) for key, item in value.items()}
    return items if any(items[key] is not item for key, item in value.items()) else value


def _struct(value: dict[object, object]) -> Struct:
    """A message of what is JSON already; a Struct would turn an integer into a double."""
    struct = Struct()
    try:
        _fill(struct, value)
    except (ValueError, TypeError) as error:
        raise EvaluationError(
            ErrorCode.OTHER, "a map with a NUL in a key holds more than JSON"
        ) from error
    return struct


def _fill(struct: Struct, value: dict[object, object]) -> None:
    for key, item in value.items():
        if not isinstance(key, str):
            raise TypeError("a key that is no text")
        _set(struct.fields[key], item)


def _set(slot: Value, item: object) -> None:
    if item is None:
        slot.null_value = NULL_VALUE
    elif isinstance(item, bool):
        slot.bool_value = item
    elif isinstance(item, float):
        slot.number_value = item
    elif isinstance(item, str):
        slot.string_value = item
    elif isinstance(item, list):
        slot.list_value.SetInParent()
        for part in item:
            _set(slot.list_value.values.add(), part)
    elif isinstance(item, dict):
        slot.struct_value.SetInParent()
        _fill(slot.struct_value, item)
    else:
        raise TypeError("a value that is no JSON")


def from_cel(value: object) -> object:
    """A plain value as the binding gives it, with bytes for its byte arrays."""
    if isinstance(value, bytearray):
        return bytes(value)
    if isinstance(value, list):
        return [from_cel(item) for item in value]
    if isinstance(value, dict):
        return {key: from_cel(item) for key, item in value.items()}
    return value


def plain(value: cel.Value) -> object:
    """A result as plain Python, with bytes for its byte arrays.

    Part by part, because the binding's own conversion of a container that holds an optional ends
    the process. Raises TypeError for an optional.
    """
    content = value.value()
    if isinstance(content, bytearray):
        return bytes(content)
    if isinstance(content, list):
        return [plain(item) for item in content]
    if isinstance(content, dict):
        return {key: plain(item) for key, item in content.items()}
    return content
