"""JSON from peers: answers of identity providers, metadata services and API servers."""

import msgspec

from _fastpath.document import NativeDocument

MOST_LEVELS = 64
_DECODER = msgspec.json.Decoder()


def read_json(text: bytes) -> object:
    """The one document in `text` (RFC 8259, strict UTF-8); numbers are finite doubles, as
    everywhere in ext_authz, and of equal names the last counts.

    Raises ValueError, which quotes nothing of the text. How long the text may be is the caller's
    matter.
    """
    try:
        value = NativeDocument(_DECODER.decode(text), numbers_as_double=True).to_python()
    except (ValueError, RecursionError):
        raise ValueError("not valid JSON") from None
    if _levels(value) > MOST_LEVELS:
        raise ValueError(f"JSON is nested deeper than {MOST_LEVELS} levels")
    return value


def read_json_object(text: bytes) -> dict[str, object]:
    """As `read_json`, for a document that has to be an object."""
    value = read_json(text)
    if not isinstance(value, dict):
        raise ValueError("no JSON object")
    return value


def _levels(value: object) -> int:
    """Of lists and mappings, which NativeDocument has bounded."""
    if isinstance(value, dict):
        return 1 + max(map(_levels, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(_levels, value), default=0)
    return 0
