"""Limitador's limits file: a YAML list of limits.

Read as Limitador (serde_yaml 0.9) reads it: unknown keys are passed over, integers may be hex,
octal or binary, any unquoted scalar serves where text is asked for. Ours alone is `on_error`.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from _fastpath.limit_spec import OnError
from expressions.cel import Context, Expression, compile_expression
from expressions.errors import ExpressionSyntaxError
from ratelimit import yaml_tree
from ratelimit.compiled_limit import CompiledLimit
from ratelimit.errors import LimitsFileError, Problem
from ratelimit.limit import Limit
from ratelimit.yaml_tree import Node, Scalar, Sequence

MAX_FILE_BYTES = 64 << 20  # arbitrary: far beyond what anybody writes, small enough to hold
U64_MAX = 2**64 - 1
MAX_DIGITS = 80  # more than the 64 binary digits of the largest value and its prefix
NULLS = {"", "~", "null", "Null", "NULL"}

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class LimitsFile:
    """limits: in order of the file, one per identity. warnings: in order of line. repeated: those
    without effect, because one of their identity stands before them."""

    path: str
    limits: tuple[CompiledLimit, ...] = ()
    warnings: tuple[Problem, ...] = ()
    repeated: tuple[CompiledLimit, ...] = ()


def load(path: str) -> LimitsFile:
    """Read and compile a file. Raises LimitsFileError, also for one that cannot be read."""
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        reason = f"cannot be read: {error.strerror}"
        raise LimitsFileError([Problem(path, 1, "", reason)]) from error
    return parse_bytes(data, path)


def parse_bytes(data: bytes, path: str) -> LimitsFile:
    """As `parse`, of a file's content."""
    if len(data) > MAX_FILE_BYTES:
        raise LimitsFileError([Problem(path, 1, "", f"is larger than {MAX_FILE_BYTES} bytes")])
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise LimitsFileError([Problem(path, line, "", "is no UTF-8")]) from error
    return parse(text, path)


def parse(text: str, path: str) -> LimitsFile:
    """Parse and compile; raises LimitsFileError with everything that is wrong.

    Only syntax errors refuse the file, those of CEL included. Expressions that the CEL checker
    refuses, and limits that repeat the identity of an earlier one and therefore have no effect,
    become warnings. An empty file has no limits.
    """
    root = yaml_tree.read(text, path)
    if root is None or (isinstance(root, Scalar) and root.plain and not root.text):
        return LimitsFile(path)
    if not isinstance(root, Sequence):
        problem = Problem(path, root.line, "", f"{_kind(root)}; expected a list of limits")
        raise LimitsFileError([problem])
    problems: list[Problem] = []
    warnings: list[Problem] = []
    found: dict[bytes, tuple[CompiledLimit, int]] = {}
    repeated: list[CompiledLimit] = []
    for item in root.items:
        entry = _Entry(path, item, problems, warnings)
        limit = entry.limit()
        if limit is None:
            continue
        if limit.limit.digest in found:
            first = found[limit.limit.digest][1]
            entry.warn(item, "", f"the same limit stands at line {first}; this one has no effect")
            repeated.append(limit)
            continue
        found[limit.limit.digest] = limit, item.line
    if problems:
        raise LimitsFileError(sorted(problems))
    limits = tuple(limit for limit, _ in found.values())
    return LimitsFile(path, limits, tuple(sorted(warnings)), tuple(repeated))


class _Entry:
    """One item of the list; collects what is wrong with it."""

    def __init__(
        self, file: str, node: Node, problems: list[Problem], warnings: list[Problem]
    ) -> None:
        self._file = file
        self._node = node
        self._problems = problems
        self._warnings = warnings

    def limit(self) -> CompiledLimit | None:
        before = len(self._problems)
        fields = self._fields()
        if fields is None:
            return None
        namespace = self._required(fields, "namespace", self._text, "")
        seconds = self._required(fields, "seconds", self._integer, 0)
        max_value = self._read(fields, "max_value", self._integer, 0)
        name = self._read(fields, "name", self._nullable, None)
        identifier = self._read(fields, "id", self._nullable, None)
        on_error = self._read(fields, "on_error", self._on_error, OnError.SKIP)
        conditions = self._expressions(fields, "conditions", Context.LIMIT_CONDITION)
        variables = self._expressions(fields, "variables", Context.LIMIT_VARIABLE)
        if len(self._problems) > before:
            return None
        limit = Limit(
            namespace=namespace,
            max_value=max_value,
            seconds=seconds,
            conditions=tuple(expression.source for expression in conditions),
            variables=tuple(expression.source for expression in variables),
            name=name,
            id=identifier,
            on_error=on_error,
        )
        return CompiledLimit(limit, conditions, variables)

    def warn(self, node: Node, field: str, message: str) -> None:
        self._warnings.append(Problem(self._file, node.line, field, message))

    def _refuse(self, line: int, field: str, message: str) -> None:
        self._problems.append(Problem(self._file, line, field, message))

    def _fields(self) -> dict[str, Node] | None:
        if not isinstance(self._node, yaml_tree.Mapping):
            self._refuse(self._node.line, "", f"{_kind(self._node)}; expected a limit")
            return None
        fields: dict[str, Node] = {}
        for key, value in self._node.pairs:
            if not isinstance(key, Scalar):
                self._refuse(key.line, "", f"{_kind(key)} as a key; expected the name of a field")
            elif key.plain and key.text == "<<":
                self._refuse(key.line, "<<", "merge keys are not read; write the fields out")
            elif key.text not in fields:
                fields[key.text] = value
            elif key.text in _KNOWN:
                self._refuse(key.line, key.text, "is given twice")
        return fields

    def _required(
        self, fields: Mapping[str, Node], name: str, read: Callable[[str, Node], T], missing: T
    ) -> T:
        if name not in fields:
            self._refuse(self._node.line, name, "is missing")
        return self._read(fields, name, read, missing)

    @staticmethod
    def _read(
        fields: Mapping[str, Node], name: str, read: Callable[[str, Node], T], default: T
    ) -> T:
        return read(name, fields[name]) if name in fields else default

    def _text(self, name: str, node: Node) -> str:
        if isinstance(node, Scalar):
            return node.text
        self._refuse(node.line, name, f"{_kind(node)}; expected text")
        return ""

    def _nullable(self, name: str, node: Node) -> str | None:
        if isinstance(node, Scalar) and node.plain and node.text in NULLS:
            return None
        return self._text(name, node)

    def _integer(self, name: str, node: Node) -> int:
        if isinstance(node, Scalar) and node.plain:
            number = _unsigned(node.text)
            if number is not None and number <= U64_MAX:
                return number
        self._refuse(node.line, name, f"{_kind(node)}; expected an integer, 0 to 2^64 - 1")
        return 0

    def _on_error(self, name: str, node: Node) -> OnError:
        text = node.text if isinstance(node, Scalar) else ""
        if text in _ON_ERROR:
            return _ON_ERROR[text]
        self._refuse(node.line, name, f"{_kind(node)}; expected skip, apply or refuse")
        return OnError.SKIP

    def _expressions(
        self, fields: Mapping[str, Node], name: str, context: Context
    ) -> tuple[Expression, ...]:
        node = fields.get(name)
        if node is None:
            message = "is missing; write [] for none"
            self._refuse(self._node.line, name, message)
            return ()
        if isinstance(node, Scalar) and node.plain and not node.text:
            return ()
        if not isinstance(node, Sequence):
            self._refuse(node.line, name, f"{_kind(node)}; expected a list of CEL expressions")
            return ()
        compiled: dict[str, Expression] = {}
        for index, item in enumerate(node.items):
            expression = self._expression(f"{name}[{index}]", item, context)
            if expression is not None:
                compiled[expression.source] = expression
        return tuple(compiled[source] for source in sorted(compiled))

    def _expression(self, field: str, node: Node, context: Context) -> Expression | None:
        if not isinstance(node, Scalar):
            self._refuse(node.line, field, f"{_kind(node)}; expected a CEL expression")
            return None
        try:
            expression = compile_expression(node.text, context, strict=False)
        except ExpressionSyntaxError as error:
            place = f"CEL line {error.line}, column {error.column}"
            self._refuse(node.line, field, f"{place}: {error.message}")
            return None
        if expression.warning is not None:
            self.warn(node, field, f"CEL: {expression.warning}")
        return expression


_ON_ERROR = {choice.name.lower(): choice for choice in OnError}
_KNOWN = {
    "namespace",
    "seconds",
    "max_value",
    "name",
    "id",
    "on_error",
    "conditions",
    "variables",
}
_NUMBERS = (
    (re.compile(r"\+?0x([0-9a-fA-F]+)"), 16),
    (re.compile(r"\+?0o([0-7]+)"), 8),
    (re.compile(r"\+?0b([01]+)"), 2),
    (re.compile(r"\+?(0|[1-9][0-9]*)"), 10),
)


def _unsigned(text: str) -> int | None:
    """The forms of serde_yaml: a leading zero makes text of a number, underscores do too."""
    if len(text) > MAX_DIGITS:
        return None
    for form, base in _NUMBERS:
        match = form.fullmatch(text)
        if match:
            return int(match[1], base)
    return None


def _kind(node: Node) -> str:
    if isinstance(node, Sequence):
        return "a list"
    if isinstance(node, yaml_tree.Mapping):
        return "a mapping"
    if node.plain and node.text in NULLS:
        return "nothing"
    text = node.text if len(node.text) <= 40 else node.text[:40] + "…"
    return repr(text)
