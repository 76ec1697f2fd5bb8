"""JSON of tokens: one reading only, bounded, numbers as ext_authz has them.

`authz.json_text` takes the last of equal names; in a token that would leave open whose reading was
signed for.
"""

import json
import math
from collections.abc import Iterable

MOST_LEVELS = 32
MOST_GROUPS = 1024  # objects and lists: each costs as much to read as a hundred letters


def read_object(data: bytes) -> dict[str, object]:
    """The JSON object in `data`, numbers as finite floats.

    Raises ValueError for anything but one object in UTF-8 (RFC 8259 §8.1), for a repeated member
    name (RFC 7515 §4, RFC 7519 §4: readers that take the first and the last would disagree), NaN,
    infinity, numbers past a double, and more than MOST_LEVELS levels or MOST_GROUPS objects and
    lists (brackets inside texts count, too). Its text quotes nothing.
    """
    groups = data.count(b"{") + data.count(b"[")
    if groups > MOST_GROUPS:
        raise ValueError("too many objects and lists")
    try:
        found = _DECODER.decode(data.decode())
    except UnicodeDecodeError:
        raise ValueError("not UTF-8") from None
    except json.JSONDecodeError:
        raise ValueError("not JSON") from None
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(found, dict):
        raise ValueError("not a JSON object")
    # So many brackets are rare: only then is it worth looking how deep they go.
    if groups > MOST_LEVELS and _levels(found) > MOST_LEVELS:
        raise ValueError("nested too deeply")
    return found


def _members(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member name is repeated")
    return members


def _number(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a number is too large")
    return number


def _levels(value: object) -> int:
    levels, row = 0, [value]
    while row:
        levels += 1
        row = [inner for outer in row for inner in _inner(outer) if isinstance(inner, dict | list)]
    return levels


def _inner(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


# Constants are NaN and the infinities.
_DECODER = json.JSONDecoder(
    object_pairs_hook=_members, parse_int=_number, parse_float=_number, parse_constant=_number
)
