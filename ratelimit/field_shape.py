"""How values of a limits file are written: a shape reads a node and says what it reads.

Scalars are read as serde_yaml 0.9 reads them for Limitador: integers may be hex, octal or binary,
any unquoted scalar serves where text is asked for.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from _fastpath.calendar import Calendar, Period
from ratelimit import yaml_tree
from ratelimit.errors import Problem
from ratelimit.yaml_tree import Node, Scalar, Sequence

T = TypeVar("T")
U64_MAX = 2**64 - 1
MAX_DIGITS = 80  # more than the 64 binary digits of the largest value and its prefix
NULLS = {"", "~", "null", "Null", "NULL"}
TEXT_SCHEMA = {"type": ["string", "number", "boolean", "null"]}
_FLAGS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_NUMBERS = (
    (re.compile(r"([+-]?)0x([0-9a-fA-F]+)"), 16),
    (re.compile(r"([+-]?)0o([0-7]+)"), 8),
    (re.compile(r"([+-]?)0b([01]+)"), 2),
    (re.compile(r"([+-]?)(0|[1-9][0-9]*)"), 10),
)
_DURATION = re.compile(r"([1-9][0-9]{0,18})(ms|s|m|h|d)")
_UNITS_NS = {"ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9, "d": 86400 * 10**9}
MAX_DURATION_NS = 2**63 - 1


@dataclass(slots=True)
class Faults:
    """Collects what is wrong in a file, and what is merely odd."""

    file: str
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)

    def refuse(self, node: Node, name: str, message: str) -> None:
        self.problems.append(Problem(self.file, node.line, name, message))

    def warn(self, node: Node, name: str, message: str) -> None:
        self.warnings.append(Problem(self.file, node.line, name, message))


class Shape(ABC, Generic[T]):
    """expected: words for an error, after "expected". schema: the same as JSON Schema."""

    def __init__(self, expected: str, schema: Mapping[str, object]) -> None:
        self.expected = expected
        self.schema = schema

    @abstractmethod
    def read(self, name: str, node: Node, faults: Faults) -> T | None:
        """The value, or None with a problem noted."""

    def written(self, value: T) -> object:
        """The value as JSON data of this shape."""
        return value

    def refuse(self, name: str, node: Node, faults: Faults) -> None:
        faults.refuse(node, name, f"{kind(node)}; expected {self.expected}")


class ScalarShape(Shape[T]):
    def read(self, name: str, node: Node, faults: Faults) -> T | None:
        value = self.scalar(node) if isinstance(node, Scalar) else None
        if value is None:
            self.refuse(name, node, faults)
        return value

    @abstractmethod
    def scalar(self, node: Scalar) -> T | None:
        """The value, None if the scalar has another shape."""


class Text(ScalarShape[str]):
    def __init__(self) -> None:
        super().__init__("text", TEXT_SCHEMA)

    def scalar(self, node: Scalar) -> str | None:
        return node.text


class OptionalText(Shape[str | None]):
    def __init__(self) -> None:
        super().__init__("text", TEXT_SCHEMA)

    def read(self, name: str, node: Node, faults: Faults) -> str | None:
        if isinstance(node, Scalar):
            return None if is_null(node) else node.text
        self.refuse(name, node, faults)
        return None


class Integer(ScalarShape[int]):
    def __init__(self, least: int, most: int, bounds: str) -> None:
        self._least = least
        self._most = most
        schema = {"type": "integer", "minimum": least, "maximum": most}
        super().__init__(f"an integer, {bounds}", schema)

    def scalar(self, node: Scalar) -> int | None:
        number = integer(node.text) if node.plain else None
        return number if number is not None and self._least <= number <= self._most else None


class Flag(ScalarShape[bool]):
    def __init__(self) -> None:
        super().__init__("true or false", {"type": "boolean"})

    def scalar(self, node: Scalar) -> bool | None:
        return boolean(node.text) if node.plain else None


class Choice(ScalarShape[T]):
    def __init__(self, choices: Mapping[str, T]) -> None:
        names = list(choices)
        super().__init__(" or ".join([", ".join(names[:-1]), names[-1]]), {"enum": names})
        self._choices = choices

    def scalar(self, node: Scalar) -> T | None:
        return self._choices.get(node.text)

    def written(self, value: T) -> str:
        return next(name for name, choice in self._choices.items() if choice == value)


class Duration(ScalarShape[int]):
    """Nanoseconds."""

    def __init__(self) -> None:
        schema = {"type": "string", "pattern": f"^{_DURATION.pattern}$"}
        super().__init__("a duration from 1ms on, as 500ms, 10s, 5m, 1h or 7d", schema)

    def scalar(self, node: Scalar) -> int | None:
        match = _DURATION.fullmatch(node.text)
        if not match:
            return None
        length_ns = int(match[1]) * _UNITS_NS[match[2]]
        return length_ns if length_ns <= MAX_DURATION_NS else None

    def written(self, value: int) -> str:
        unit = next(name for name in ("d", "h", "m", "s", "ms") if value % _UNITS_NS[name] == 0)
        return f"{value // _UNITS_NS[unit]}{unit}"


class Zone(ScalarShape[str]):
    def __init__(self) -> None:
        expected = "a time zone of the IANA database, as UTC or Europe/Berlin"
        super().__init__(expected, {"type": "string", "minLength": 1})

    def scalar(self, node: Scalar) -> str | None:
        # The first calendar of a zone takes its time, which a reload has and a request has not.
        try:
            Calendar(Period.DAY, node.text)
        except ValueError:
            return None
        return node.text


def boolean(text: str) -> bool | None:
    return _FLAGS.get(text)


def integer(text: str) -> int | None:
    """The forms of serde_yaml: a leading zero makes text of a number, underscores do too."""
    if len(text) > MAX_DIGITS:
        return None
    for form, base in _NUMBERS:
        match = form.fullmatch(text)
        if match:
            return int(match[1] + match[2], base)
    return None


def is_null(node: Node) -> bool:
    return isinstance(node, Scalar) and node.plain and node.text in NULLS


def kind(node: Node) -> str:
    """What stands there, for an error."""
    if isinstance(node, Sequence):
        return "a list"
    if isinstance(node, yaml_tree.Mapping):
        return "a mapping"
    if is_null(node):
        return "nothing"
    text = node.text if len(node.text) <= 40 else node.text[:40] + "…"
    return repr(text)
