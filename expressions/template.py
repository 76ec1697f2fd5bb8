"""Authorino's templates: text with selectors in braces, `Hello, {auth.identity.name}!`."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from expressions.selector_modifiers import text_of
from expressions.selector_path import Path, parse_path

_MODIFIER_BRACE = re.compile(r"[^@]+@\w+:{")


@dataclass(frozen=True, slots=True)
class Template:
    """Pieces of text and paths, in order."""

    pieces: tuple[str | Path, ...]

    def text(self, document: Mapping[str, object], escape: Callable[[str], str] = str) -> str:
        """The text with each path's value as text; empty where there is none.

        escape: applied to the text of the values. Raises ValueError for a value without text.
        """
        return "".join(
            piece if isinstance(piece, str) else escape(text_of(piece.find(document)))
            for piece in self.pieces
        )


def is_template(source: str) -> bool:
    """Whether it has a brace that does not open a modifier's argument."""
    return len(_MODIFIER_BRACE.findall(source)) != source.count("{")


def parse_template(source: str) -> Template:
    """A backslash takes a brace or backslash as it is; braces within one are counted, and
    one that is not closed is left out. Raises UnsupportedSelector."""
    pieces: list[str | Path] = []
    text, at = "", 0
    while at < len(source):
        character = source[at]
        if character == "{":
            inside, at = _gap(source, at + 1)
            if inside:
                pieces += [text, parse_path(inside)]
                text = ""
            continue
        if character == "\\":
            at += 1
            character = source[at : at + 1]
        text += character
        at += 1
    return Template(tuple(piece for piece in (*pieces, text) if piece != ""))


def _gap(source: str, at: int) -> tuple[str, int]:
    """What stands in the braces that open at `at`, and where the text goes on."""
    depth, start = 0, at
    while at < len(source):
        if source[at] == "{":
            depth += 1
        elif source[at] == "}":
            if not depth:
                return source[start:at], at + 1
            depth -= 1
        at += 1
    return "", at
