"""Label selectors as flags spell them: `tier=gold,env!=dev,app in (a, b),!legacy` (apimachinery).

Every requirement must hold; empty text selects everything.
"""

import re
from collections.abc import Iterable

from authz.selector_match import EVERYTHING, LabelSelector, Requirement

MOST_BYTES = 4096
_TOKEN = re.compile(r"==|!=|[=!,()]|[^\s=!,()]+")
_NAME = r"[A-Za-z0-9](?:[-_.A-Za-z0-9]{0,61}[A-Za-z0-9])?"
_KEY = re.compile(rf"(?:[a-z0-9](?:[-a-z0-9.]{{0,251}}[a-z0-9])?/)?{_NAME}")
_VALUE = re.compile(_NAME)
_END = ""


def parse_selector(text: str) -> LabelSelector:
    """Raises ValueError, which says what stands where something else was expected."""
    if len(text.encode()) > MOST_BYTES:
        raise ValueError(f"expected at most {MOST_BYTES} bytes")
    tokens = _Tokens(_TOKEN.findall(text))
    if tokens.next == _END:
        return EVERYTHING
    requirements = [_requirement(tokens)]
    while tokens.next != _END:
        tokens.expect(",")
        requirements.append(_requirement(tokens))
    return _selector(requirements)


def _selector(requirements: Iterable[Requirement]) -> LabelSelector:
    """One value of one label is what key sets are found by."""
    equal: set[tuple[str, str]] = set()
    others = []
    for requirement in requirements:
        if requirement.operator == "In" and len(requirement.values) == 1:
            (value,) = requirement.values
            equal.add((requirement.key, value))
        else:
            others.append(requirement)
    return LabelSelector(frozenset(equal), tuple(others))


class _Tokens:
    def __init__(self, tokens: Iterable[str]) -> None:
        self._rest = [*tokens][::-1]

    @property
    def next(self) -> str:
        return self._rest[-1] if self._rest else _END

    def take(self, pattern: re.Pattern[str], what: str) -> str:
        if not pattern.fullmatch(self.next):
            found = repr(self.next) if self.next else "the end"
            raise ValueError(f"expected {what}, not {found}")
        return self._rest.pop()

    def expect(self, sign: str) -> None:
        self.take(re.compile(re.escape(sign)), repr(sign))

    def taken(self, *signs: str) -> str:
        """The next one if it is one of these, else nothing."""
        return self._rest.pop() if self.next in signs else _END


def _requirement(tokens: _Tokens) -> Requirement:
    if tokens.taken("!"):
        return Requirement(_key(tokens), "DoesNotExist", frozenset())
    key = _key(tokens)
    operator = tokens.taken("=", "==", "!=", "in", "notin")
    if operator == _END:
        return Requirement(key, "Exists", frozenset())
    values = _values(tokens) if operator in ("in", "notin") else {_value(tokens)}
    name = "NotIn" if operator in ("!=", "notin") else "In"
    return Requirement(key, name, frozenset(values))


def _key(tokens: _Tokens) -> str:
    return tokens.take(_KEY, "the name of a label")


def _values(tokens: _Tokens) -> set[str]:
    tokens.expect("(")
    values = {_value(tokens)}
    while tokens.taken(","):
        values.add(_value(tokens))
    tokens.expect(")")
    return values


def _value(tokens: _Tokens) -> str:
    """May be empty, as in `k=` and `k in (a,)`."""
    if tokens.next in (_END, ",", ")"):
        return ""
    return tokens.take(_VALUE, "the value of a label")
