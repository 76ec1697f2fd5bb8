"""Selectors: gjson paths over the authorization document, and Authorino's templates of them.

Plain paths, names joined by dots, run in the fast lane; anything more only in the full lane.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from _fastpath.program import NativeProgram, ProgramBuilder
from expressions.cel import SLOTS, Context
from expressions.selector_modifiers import MISSING
from expressions.selector_path import Path, parse_path
from expressions.template import Template, is_template, parse_template

ROOT_SLOTS = {**SLOTS[Context.AUTHORIZATION], "context": 5}


@dataclass(frozen=True, slots=True)
class Selector:
    """A compiled selector; `native` answers an absent value where `evaluate` answers None.

    names: the parts of a plain path, else None.
    """

    source: str
    compiled: Path | Template
    names: tuple[str, ...] | None
    native: NativeProgram | None

    @property
    def refusal(self) -> str | None:
        """Why there is no native form."""
        if self.native is not None:
            return None
        kind = "a template" if isinstance(self.compiled, Template) else "more than dotted names"
        return f"{self.source!r} is {kind}"

    def evaluate(self, document: Mapping[str, object]) -> object:
        """The value at the path, None where there is none; a template's text, empty in its place.

        Raises ValueError for a value in a template that has no text.
        """
        found = self.find(document)
        return found if self.names is not None else doubles(found)

    def find(self, document: Mapping[str, object]) -> object:
        """As `evaluate`, but whole numbers out of text have all their digits."""
        if isinstance(self.compiled, Template):
            return self.compiled.text(document)
        found = self.compiled.find(document)
        return None if found is MISSING else found


def doubles(value: object) -> object:
    """The value with all its numbers as doubles."""
    if isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, list):
        return [doubles(item) for item in value]
    if isinstance(value, dict):
        return {name: doubles(item) for name, item in value.items()}
    return value


@lru_cache(maxsize=65536)
def compile_selector(source: str) -> Selector:
    """Equal texts share one. Raises UnsupportedSelector, naming the construct."""
    if is_template(source):
        return Selector(source, parse_template(source), None, None)
    path = parse_path(source)
    if path.names is None:
        return Selector(source, path, None, None)
    builder = ProgramBuilder()
    add_path(builder, path.names)
    return Selector(source, path, path.names, builder.finish())


def add_path(builder: ProgramBuilder, names: tuple[str, ...]) -> int:
    """The node that answers the value at the path."""
    if names[0] not in ROOT_SLOTS:
        return builder.absent()
    node = builder.node("root_or_absent", slot=ROOT_SLOTS[names[0]])
    for name in names[1:]:
        node = builder.node("member", node, text=name)
    return node
