"""Modifiers of selectors: gjson 1.14's and Authorino's, over plain JSON values.

Each takes a value, MISSING where there is none, and its argument (text, parsed JSON, or "" for
none) and gives a value. What has no sense for a value gives it back or None, as there. Text from
`@extract`, `@replace` and `@base64` is read as the inside of a JSON string, as there too: it ends
at a quote, and backslashes in it are escapes.
"""

import base64
import binascii
import json
import re
from collections.abc import Callable, Mapping

from _fastpath.text import json_of_value, text_of_value

_ESCAPE = re.compile(
    r'\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\\["\\/bfnrt]'
)
MISSING: object = type("Missing", (), {"__repr__": lambda self: "MISSING"})()
"""What a path finds where there is nothing; null is something."""


def text_of(value: object) -> str:
    return "" if value is MISSING else text_of_value(value)


def as_inside_of_a_string(text: str) -> str:
    """What a lenient reader takes for the string that begins with this text."""
    plain, at = "", 0
    while at < len(text) and text[at] != '"':
        if text[at] != "\\":
            plain += text[at]
            at += 1
            continue
        escape = _ESCAPE.match(text, at)
        if escape is None:
            return plain
        plain += json.loads(f'"{escape[0]}"')
        at = escape.end()
    return plain


def extract(value: object, argument: object) -> object:
    """The part `pos` (0) of the text cut at `sep` (a space); None past the last."""
    options = argument if isinstance(argument, Mapping) else {}
    separator = text_of_value(options.get("sep", " "))
    position = options.get("pos", 0)
    if isinstance(position, str):
        position = int(position) if position.isascii() and position.isdigit() else 0
    text = text_of(value)
    parts = text.split(separator) if separator else list(text)
    if not isinstance(position, int | float) or not 0 <= position < len(parts):
        return None
    return as_inside_of_a_string(parts[int(position)])


def replace(value: object, argument: object) -> object:
    """`old` by `new` everywhere in the text; without an argument the value as it is."""
    if not isinstance(argument, Mapping):
        return value
    old, new = text_of_value(argument.get("old")), text_of_value(argument.get("new"))
    return as_inside_of_a_string(text_of(value).replace(old, new))


def case(value: object, argument: object) -> object:
    """All text of the value, names of members included, in upper or lower case."""
    if argument == "upper":
        return _texts(value, lambda text: "".join(map(_upper, text)))
    if argument == "lower":
        return _texts(value, lambda text: "".join(map(_lower, text)))
    return value


def _upper(character: str) -> str:
    """One character for one, as in Go: no SS for ß."""
    upper = character.upper()
    return upper if len(upper) == 1 else character


def _lower(character: str) -> str:
    return character.lower()[:1]


def base64_text(value: object, argument: object) -> object:
    """Encodes or decodes text, with or without padding; what cannot be decoded is empty."""
    text = text_of(value)
    if argument == "encode":
        return base64.b64encode(text.encode()).decode()
    if argument != "decode":
        return value
    data = "".join(text.split("\n")).rstrip("=")
    try:
        decoded = base64.b64decode(data + "=" * (-len(data) % 4), validate=True)
    except (binascii.Error, ValueError):
        return ""
    return as_inside_of_a_string(decoded.decode("utf-8", errors="replace").replace('"', '\\"'))


def strip(value: object, argument: object) -> object:
    """Without characters that show nothing."""
    return _texts(value, lambda text: "".join(filter(_shows, text)))


def _shows(character: str) -> bool:
    return character.isprintable() or character < " " or character in "\u2028\u2029"


def _texts(value: object, change: Callable[[str], str]) -> object:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [_texts(item, change) for item in value]
    if isinstance(value, Mapping):
        return {change(name): _texts(item, change) for name, item in value.items()}
    return value


def this(value: object, argument: object) -> object:
    return value


def reverse(value: object, argument: object) -> object:
    """Lists from the back; members have no order that would show."""
    return value[::-1] if isinstance(value, list) else value


def flatten(value: object, argument: object) -> object:
    """Lists in a list dissolved, with `deep` those within them too."""
    if not isinstance(value, list):
        return value
    deep = isinstance(argument, Mapping) and argument.get("deep") is True
    flat: list[object] = []
    for item in value:
        if not isinstance(item, list):
            flat.append(item)
        else:
            inner = flatten(item, argument) if deep else item
            flat += inner if isinstance(inner, list) else []
    return flat


def join(value: object, argument: object) -> object:
    """The members of all objects in a list in one, the last of a name counts."""
    if not isinstance(value, list):
        return value
    joined: dict[str, object] = {}
    for item in value:
        if isinstance(item, Mapping):
            joined.update(item)
    return joined


def keys(value: object, argument: object) -> object:
    """Names of members; null for each item of a list."""
    if isinstance(value, Mapping):
        return sorted(value, key=str.encode)
    if isinstance(value, list):
        return [None] * len(value)
    return [] if value is MISSING else [None]


def values(value: object, argument: object) -> object:
    if isinstance(value, Mapping):
        return [value[name] for name in sorted(value, key=str.encode)]
    if isinstance(value, list):
        return value
    return [] if value is MISSING else [value]


def from_text(value: object, argument: object) -> object:
    """The JSON that the text holds; None where it holds none. Whole numbers keep their digits."""
    try:
        return json.loads(text_of(value), parse_int=_whole, parse_constant=_no_json)
    except (ValueError, RecursionError):
        return None


def _whole(digits: str) -> int | float:
    if 15 < len(digits) < 21 and -(2**63) <= int(digits) < 2**64:
        return int(digits)
    return float(digits)


def _no_json(name: str) -> object:
    raise ValueError(f"{name} is no JSON")


def to_text(value: object, argument: object) -> object:
    """The value as JSON text."""
    return "" if value is MISSING else json_of_value(value, go_escapes=True)


def group(value: object, argument: object) -> object:
    """From members that are lists to a list of objects, item by item."""
    if not isinstance(value, Mapping):
        return None
    grouped: list[dict[str, object]] = []
    for name in sorted(value, key=str.encode):
        items = value[name]
        if not isinstance(items, list):
            continue
        for number, item in enumerate(items):
            if number == len(grouped):
                grouped.append({})
            grouped[number][name] = item
    return grouped


MODIFIERS: dict[str, Callable[[object, object], object]] = {
    "extract": extract,
    "replace": replace,
    "case": case,
    "base64": base64_text,
    "strip": strip,
    "this": this,
    "valid": this,
    "pretty": this,
    "ugly": this,
    "reverse": reverse,
    "flatten": flatten,
    "join": join,
    "keys": keys,
    "values": values,
    "fromstr": from_text,
    "tostr": to_text,
    "group": group,
}
