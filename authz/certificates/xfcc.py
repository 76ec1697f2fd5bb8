"""X-Forwarded-Client-Cert, the header in which Envoy forwards what it knows of a client.

Elements are separated by commas, their `Key=Value` pairs by semicolons; a value may stand in double
quotes, which hide both (Envoy: HTTP connection manager, headers, x-forwarded-client-cert).
"""

import re
from collections.abc import Mapping

MOST_PAIRS = 64
_PAIR = re.compile(r'(?:[^",;]++|"(?:\\.|[^"\\])*+")*+', re.DOTALL)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ONCE = ("cert", "chain")


def read_first_element(header: str) -> Mapping[str, str]:
    """The pairs of the first element, keys in lower case, the last of equal keys.

    Raises ValueError, whose text quotes nothing of the header.
    """
    if not header:
        raise ValueError("XFCC header is empty")
    pairs: dict[str, str] = {}
    for pair in _first_element(header):
        key, equals, value = pair.partition("=")
        key = key.strip().lower()
        if not equals:
            continue
        if key in _ONCE and key in pairs:
            raise ValueError(f"XFCC header has more than one {key.capitalize()} in one element")
        pairs[key] = _unquoted(value.strip())
    return pairs


def _first_element(header: str) -> list[str]:
    """The pairs up to the first comma that follows something."""
    header, at = header.lstrip(","), 0
    pairs: list[str] = []
    while len(pairs) < MOST_PAIRS:
        pair = _PAIR.match(header, at)
        pairs.append("" if pair is None else pair[0])
        at += len(pairs[-1])
        separator = header[at : at + 1]
        if separator == '"':
            raise ValueError("XFCC header has a quote without end")
        if separator != ";":
            return pairs
        at += 1
    raise ValueError("XFCC header has too many pairs in one element")


def _unquoted(value: str) -> str:
    if len(value) >= 2 and value[0] == value[-1] == '"':
        return _ESCAPE.sub(r"\1", value[1:-1])
    return value
