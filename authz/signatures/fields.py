"""Signature-Input and Signature, the two structured fields of a signed request.

Only what RFC 9421 puts into them is read (RFC 8941: a dictionary of inner lists of strings, and one
of byte sequences), and nothing lenient: who signs a request writes these fields by program.
"""

import base64
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")
Item = str | int | bool
MOST_BYTES = 8 * 1024
MOST_SIGNATURES = 4
MOST_COMPONENTS = 64
MOST_PARAMETERS = 16

_SPACE = re.compile(r" *")
_COMMA = re.compile(r"[ \t]*,[ \t]*")
_KEY = re.compile(r"[a-z*][a-z0-9_.*-]*")
_STRING = re.compile(r'"((?:[ !#-\[\]-~]|\\["\\])*)"')
_INTEGER = re.compile(r"-?[0-9]{1,15}(?![0-9.])")
_BOOLEAN = re.compile(r"\?([01])")
_BYTES = re.compile(r":([A-Za-z0-9+/]*={0,2}):")
_ESCAPE = re.compile(r"\\(.)")


@dataclass(frozen=True, slots=True)
class SignatureInput:
    """What one signature covers. text: of the whole, which the signature covers too."""

    components: tuple[str, ...]
    parameters: Mapping[str, Item]
    text: str


def read_inputs(field: str) -> dict[str, SignatureInput]:
    """Signature-Input by label. Raises ValueError."""
    return _Reader(field).dictionary(_Reader.input)


def read_signatures(field: str) -> dict[str, bytes]:
    """Signature by label. Raises ValueError."""
    return _Reader(field).dictionary(_Reader.byte_sequence)


class _Reader:
    def __init__(self, text: str) -> None:
        if len(text) > MOST_BYTES:
            raise ValueError("is too long")
        self._text = text.strip(" ")
        self._at = 0

    def dictionary(self, value: "Callable[[_Reader], T]") -> dict[str, T]:
        found: dict[str, T] = {}
        while True:
            label = self._expect(_KEY)[0]
            self._literal("=")
            if label in found or len(found) == MOST_SIGNATURES:
                raise ValueError("has a label twice, or too many")
            found[label] = value(self)
            if self._at == len(self._text):
                return found
            self._expect(_COMMA)

    def input(self) -> SignatureInput:
        """An inner list of plain strings, with parameters."""
        components: list[str] = []
        self._literal("(")
        while True:
            self._expect(_SPACE)
            if self._take(")"):
                break
            if components and self._text[self._at - 1] != " ":
                raise ValueError("expected a space")
            components.append(self._string())
        if len(components) > MOST_COMPONENTS or len(set(components)) < len(components):
            raise ValueError("has a component twice, or too many")
        parameters = self._parameters()
        listed = " ".join(map(_quoted, components))
        return SignatureInput(tuple(components), parameters, f"({listed}){_text_of(parameters)}")

    def byte_sequence(self) -> bytes:
        return base64.b64decode(self._expect(_BYTES)[1], validate=True)

    def _parameters(self) -> dict[str, Item]:
        found: dict[str, Item] = {}
        while self._take(";"):
            self._expect(_SPACE)
            name = self._expect(_KEY)[0]
            if name in found or len(found) == MOST_PARAMETERS:
                raise ValueError("has a parameter twice, or too many")
            found[name] = self._item() if self._take("=") else True
        return found

    def _item(self) -> Item:
        if self._text.startswith('"', self._at):
            return self._string()
        if self._text.startswith("?", self._at):
            return self._expect(_BOOLEAN)[1] == "1"
        return int(self._expect(_INTEGER)[0])

    def _string(self) -> str:
        return _ESCAPE.sub(r"\1", self._expect(_STRING)[1])

    def _take(self, literal: str) -> bool:
        taken = self._text.startswith(literal, self._at)
        self._at += len(literal) if taken else 0
        return taken

    def _literal(self, literal: str) -> None:
        if not self._take(literal):
            raise ValueError(f"expected {literal}")

    def _expect(self, pattern: re.Pattern[str]) -> re.Match[str]:
        found = pattern.match(self._text, self._at)
        if found is None:
            raise ValueError("is malformed")
        self._at = found.end()
        return found


def _text_of(parameters: Mapping[str, Item]) -> str:
    """As RFC 8941 section 4.1.1.2 writes them."""
    text = ""
    for name, value in parameters.items():
        text += f";{name}"
        if isinstance(value, str):
            text += f"={_quoted(value)}"
        elif value is not True:
            text += "=?0" if value is False else f"={value}"
    return text


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
