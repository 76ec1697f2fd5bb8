"""Strings as rego-cpp can hold them.

It keeps strings in their escaped form and computes on that, so `count("\\n")` is 2 there. Here the
characters that JSON has to escape stand in as private-use ones (plane 15), before and after.
"""

import json
import re

_SHIFT = 0xF0000
_ESCAPED = (*range(0x20), 0x22, 0x5C)
_STAND_INS = {_SHIFT + code: chr(code) for code in _ESCAPED}
_TO_PLAIN = {code: chr(_SHIFT + code) for code in _ESCAPED}
_NEEDED = re.compile('[\\x00-\\x1f"\\\\]')
_TAKEN = re.compile(f"[{chr(_SHIFT)}-{chr(_SHIFT + 0x5C)}]")


def plain(text: str) -> str:
    """The text with stand-ins. Raises ValueError for one that holds stand-ins already, or lone
    surrogates."""
    if not text.isascii():
        text.encode()
        if _TAKEN.search(text):
            raise ValueError("a string holds private-use characters of plane 15")
    return text.translate(_TO_PLAIN) if _NEEDED.search(text) else text


def original(text: str) -> str:
    """The text that `plain` was given."""
    return text if text.isascii() else text.translate(_STAND_INS)


def plain_value(value: object) -> object:
    """A JSON value with all its strings in plain form. Raises ValueError as `plain`."""
    if isinstance(value, str):
        return plain(value)
    if isinstance(value, dict):
        return {plain(key): plain_value(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [plain_value(inner) for inner in value]
    return value


def original_value(value: object) -> object:
    """The JSON value that `plain_value` was given."""
    if isinstance(value, str):
        return original(value)
    if isinstance(value, dict):
        return {original(key): original_value(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [original_value(inner) for inner in value]
    return value


def literal(text: str) -> str:
    """The Rego string literal of a text in plain form."""
    return json.dumps(plain(text), ensure_ascii=False)
