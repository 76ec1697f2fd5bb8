"""Selectors: the plain paths of gjson over the authorization document.

A path is names joined by dots; a backslash takes the next character as it is. On a list a part of
digits is an index. What else gjson knows (modifiers, queries, wildcards, pipes, literals and
multipaths) and Authorino's templates are refused.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from _fastpath.program import NativeProgram, ProgramBuilder
from expressions.cel import SLOTS, Context
from expressions.errors import UnsupportedSelector

ROOT_SLOTS = {**SLOTS[Context.AUTHORIZATION], "context": 5}
_REFUSED = {
    "@": "a modifier",
    "!": "a literal",
    "|": "a pipe",
    "#": "a list query",
    "*": "a wildcard",
    "?": "a wildcard",
    "{": "a template or multipath",
    "}": "a template or multipath",
    "[": "a multipath",
}
_AT_START_ONLY = "@![]"


@dataclass(frozen=True, slots=True)
class Selector:
    """A compiled path; `native` answers an absent value where `evaluate` answers None."""

    source: str
    parts: tuple[str, ...]
    native: NativeProgram

    @property
    def refusal(self) -> None:
        """Every selector that compiles runs in the fast lane."""

    def evaluate(self, document: Mapping[str, object]) -> object:
        """The value at the path; None where there is none."""
        value: object = document
        for part in self.parts:
            value = member(value, part)
        return value


def member(value: object, part: str) -> object:
    if isinstance(value, Mapping):
        return value.get(part)
    if isinstance(value, list) and part.isascii() and part.isdigit() and len(part) < 10:
        index = int(part)
        return value[index] if index < len(value) else None
    return None


def compile_selector(source: str) -> Selector:
    """Raises UnsupportedSelector, naming the construct."""
    parts = _parts(source)
    builder = ProgramBuilder()
    add_path(builder, parts)
    return Selector(source, parts, builder.finish())


def add_path(builder: ProgramBuilder, parts: tuple[str, ...]) -> int:
    """The node that answers the value at the path."""
    if parts[0] not in ROOT_SLOTS:
        return builder.absent()
    node = builder.node("root_or_absent", slot=ROOT_SLOTS[parts[0]])
    for part in parts[1:]:
        node = builder.node("member", node, text=part)
    return node


def _parts(source: str) -> tuple[str, ...]:
    parts: list[str] = []
    current = ""
    characters = iter(source)
    starts = True
    for character in characters:
        if character == "\\":
            escaped = next(characters, None)
            if escaped is None:
                raise UnsupportedSelector(f"{source!r} ends in a backslash")
            current += escaped
        elif character == ".":
            parts.append(_part(source, current))
            current = ""
            starts = True
            continue
        elif character in _REFUSED and (starts or character not in _AT_START_ONLY):
            raise UnsupportedSelector(
                f"{source!r}: {_REFUSED[character]} ({character}) is not supported in a selector"
            )
        else:
            current += character
        starts = False
    parts.append(_part(source, current))
    return tuple(parts)


def _part(source: str, part: str) -> str:
    if not part:
        raise UnsupportedSelector(f"{source!r} has an empty part")
    return part
