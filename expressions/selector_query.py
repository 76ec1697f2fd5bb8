"""Queries of gjson paths, `#(path op value)`, and the wildcards they share with names."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from expressions.errors import UnsupportedSelector
from expressions.selector_modifiers import MISSING

_OPERATORS = ("!=", "!%", "<=", ">=", "==", "<", ">", "=", "%")
_TRUE = frozenset({"1", "t", "true"})
_FALSE = frozenset({"0", "f", "false"})


@dataclass(frozen=True, slots=True)
class Query:
    """operator "" asks only whether there is a value. value: text, as it is compared; after `~` the
    kind of value, true or false; nothing counts as false."""

    operator: str
    value: str

    def passes(self, item: object) -> bool:
        operator, value = self.operator, self.value
        if value.startswith("~"):
            kind = _KINDS.get(value[1:])
            if kind is None:
                return False
            item, value = kind(item), "true"
        if item is MISSING:
            return False
        if not operator:
            return True
        if isinstance(item, bool):
            return _compare_booleans(item, operator, value)
        if isinstance(item, str):
            return _compare_texts(item, operator, value)
        if isinstance(item, int | float):
            return _compare(float(item), operator, _number(value))
        return False


def _compare(left: object, operator: str, right: object) -> bool:
    if operator in ("=", "=="):
        return left == right
    if operator == "!=":
        return left != right
    if isinstance(left, float) and isinstance(right, float):
        pair: tuple[float, float] | tuple[bytes, bytes] = left, right
    elif isinstance(left, str) and isinstance(right, str):
        pair = left.encode(), right.encode()
    else:
        return False
    return _ORDERS[operator](*pair) if operator in _ORDERS else False


def _compare_texts(left: str, operator: str, right: str) -> bool:
    if operator in ("%", "!%"):
        return matches_wildcard(left, right) == (operator == "%")
    return _compare(left, operator, right)


def _compare_booleans(left: bool, operator: str, right: str) -> bool:
    """false stands before true; other texts are neither."""
    if operator in ("=", "==", "!="):
        return _compare("true" if left else "false", operator, right)
    if left:
        return operator == ">=" or (operator == ">" and right == "false")
    return operator == "<=" or (operator == "<" and right == "true")


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


def _trueish(item: object) -> bool:
    if isinstance(item, str):
        return item.lower() in _TRUE
    return item is True or (isinstance(item, int | float) and item != 0)


def _falseish(item: object) -> bool:
    if isinstance(item, str):
        return item.lower() in _FALSE
    return (
        item is None
        or item is MISSING
        or item is False
        or (isinstance(item, int | float) and item == 0)
    )


_KINDS: dict[str, Callable[[object], bool]] = {"true": _trueish, "false": _falseish}
_ORDERS: dict[str, Callable[[Any, Any], bool]] = {
    "<": lambda left, right: left < right,
    "<=": lambda left, right: left <= right,
    ">": lambda left, right: left > right,
    ">=": lambda left, right: left >= right,
}


def parse_query(source: str) -> tuple[str, Query, str]:
    """(path, query, rest) of a source that begins with `#(` or `#[`. Raises UnsupportedSelector."""
    operator_at = 0
    depth, at = 1, 2
    while at < len(source) and depth:
        character = source[at]
        if character == "\\":
            at += 1
        elif character == '"':
            at = _quote_end(source, at)
        elif depth == 1 and not operator_at and character in "!=<>%":
            operator_at = at
        else:
            depth += (character in "([") - (character in ")]")
        at += 1
    if depth:
        raise UnsupportedSelector(f"{source!r} has a query without an end")
    end = at - 1
    if not operator_at:
        return source[2:end].strip(), Query("", ""), source[at:]
    text = source[operator_at:end]
    operator = next((known for known in _OPERATORS if text.startswith(known)), "")
    if not operator:
        raise UnsupportedSelector(f"{source!r} compares by {text[:1]!r}, which is no operator")
    value = _unquoted(text.removeprefix(operator).strip())
    return source[2:operator_at].strip(), Query(operator, value), source[at:]


def _quote_end(source: str, at: int) -> int:
    at += 1
    while at < len(source) and source[at] != '"':
        at += 1 + (source[at] == "\\")
    return at


def _unquoted(text: str) -> str:
    if len(text) < 2 or text[0] != '"' or text[-1] != '"':
        return text
    plain, escaped = "", False
    for character in text[1:-1]:
        if escaped or character != "\\":
            plain += character
            escaped = False
        else:
            escaped = True
    return plain


def matches_wildcard(text: str, pattern: str) -> bool:
    """Whether all of the text fits: `*` any characters, `?` one. Linear but for backtracking to the
    last `*`."""
    at = place = 0
    star, mark = -1, 0
    while at < len(text):
        if place < len(pattern) and pattern[place] == "*":
            star, mark = place, at
            place += 1
        elif place < len(pattern) and pattern[place] in ("?", text[at]):
            at += 1
            place += 1
        elif star >= 0:
            mark += 1
            at, place = mark, star + 1
        else:
            return False
    return all(character == "*" for character in pattern[place:])
