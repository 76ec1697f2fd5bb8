"""CEL by the official implementation: parsing, checking and the full lane's evaluation.

`evaluate` holds the interpreter lock and converts its arguments, so expressions are given only the
variables they read; call it from one thread, the event loop's.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cache, cached_property, lru_cache

from cel.expr.checked_pb2 import CheckedExpr
from cel.expr.syntax_pb2 import Expr, ParsedExpr
from cel_expr_python import cel
from cel_expr_python.ext import ext_optional, ext_strings
from google.protobuf.any_pb2 import Any
from google.protobuf.message import DecodeError

from _fastpath.program import NativeProgram
from expressions.binding import plain, to_cel
from expressions.errors import (
    ErrorCode,
    EvaluationError,
    ExpressionCheckError,
    ExpressionSyntaxError,
)
from expressions.extremes import EXTREMES
from expressions.native import RefusedError, compile_native
from expressions.substring import SUBSTRING, use_own_substring
from expressions.syntax import (
    EqualityTest,
    descriptor_entries,
    descriptor_indexes,
    equality_tests,
    free_names,
    is_equality_tests,
)

_DESCRIPTORS = cel.Type.List(cel.Type.Map(cel.Type.STRING, cel.Type.STRING))
_OBJECT = cel.Type.Map(cel.Type.STRING, cel.Type.DYN)


class Context(Enum):
    """Where an expression stands, which decides the variables it may read."""

    LIMIT_CONDITION = "limit condition"
    LIMIT_VARIABLE = "limit variable"
    METRIC_LABEL = "metric label"
    LIMIT_COST = "limit cost"
    AUTHORIZATION = "authorization"


_VARIABLES: dict[Context, dict[str, cel.Type]] = {
    Context.LIMIT_CONDITION: {"descriptors": _DESCRIPTORS, "limit": _OBJECT},
    Context.LIMIT_VARIABLE: {"descriptors": _DESCRIPTORS, "limit": _OBJECT},
    Context.METRIC_LABEL: {"descriptors": _DESCRIPTORS},
    Context.LIMIT_COST: {"descriptors": _DESCRIPTORS, "limit": _OBJECT, "hits": cel.Type.INT},
    Context.AUTHORIZATION: dict.fromkeys(
        ("request", "source", "destination", "metadata", "auth"), _OBJECT
    ),
}

SLOTS: dict[Context, dict[str, int]] = {
    context: {name: slot for slot, name in enumerate(variables)}
    for context, variables in _VARIABLES.items()
}
"""Numbers of the variables as native code knows them."""


@cache
def environment(context: Context) -> cel.Env:
    """The environment in which a context's expressions are checked, about 40 ms to create."""
    return cel.NewEnv(variables=_VARIABLES[context], extensions=_extensions(context))


@cache
def _evaluation(context: Context) -> cel.Env:
    """Where they are evaluated: with variables of any type, since a declared type makes the
    binding refuse the messages that carry a NUL (see `binding`)."""
    variables = dict.fromkeys(_VARIABLES[context], cel.Type.DYN)
    return cel.NewEnv(variables=variables, extensions=_extensions(context))


def _extensions(context: Context) -> list[cel.CelExtensionBase]:
    if context is Context.AUTHORIZATION:
        return [ext_optional.ExtOptional(), ext_strings.ExtStrings(), SUBSTRING]
    return [EXTREMES]


@dataclass(frozen=True)
class Expression:
    """A compiled expression.

    warning: what the checker disliked, when it was compiled unchecked; else None.
    roots: the variables it reads, declared or not.
    equalities: descriptor tests that hold whenever it is true; an index may rely on them.
    exact: it is nothing but those tests.
    descriptors: the constant descriptor indexes that it reads.
    entries: the (descriptor index, key) of the entries that it names.
    result: the name of its static type, as BOOL, DYN or MAP<STRING, INT>.
    native: its program for the fast lane, or None; then `refusal` names the construct.
    """

    source: str
    context: Context
    warning: str | None
    roots: frozenset[str]
    equalities: tuple[EqualityTest, ...]
    exact: bool
    descriptors: frozenset[int]
    entries: frozenset[tuple[int, str]]
    result: str
    native: NativeProgram | None
    refusal: str | None
    serialized: bytes

    def evaluate(self, roots: Mapping[str, object]) -> object:
        """The value for these variables, as plain Python; raises EvaluationError.

        Numbers, text, bytes, lists and mappings come back as Python's own; integers of both CEL
        kinds as int.
        """
        declared = SLOTS[self.context]
        data = {
            name: to_cel(roots[name]) for name in self.roots if name in roots and name in declared
        }
        try:
            value = self._evaluable.eval(data=data)
            if value.type() == cel.Type.ERROR:
                raise _translate(str(value.value()))
            return plain(value)
        except (RuntimeError, TypeError) as error:
            raise _translate(str(error)) from error

    @cached_property
    def _evaluable(self) -> cel.Expression:
        """Made by the first evaluation; most expressions never leave the fast lane."""
        return _evaluation(self.context).deserialize(self.serialized)


# A reload meets the same texts again: compiling takes some 200 us, 10,000 limits two seconds.
@lru_cache(maxsize=65536)
def compile_expression(source: str, context: Context, *, strict: bool) -> Expression:
    """Parse and check an expression.

    Raises ExpressionSyntaxError for text that is no CEL. What only the checker refuses raises
    ExpressionCheckError when strict, and is else compiled unchecked with a warning.
    """
    env = environment(context)
    warning = None
    try:
        compiled = env.compile(source)
    except (RuntimeError, TypeError, UnicodeError) as error:
        failure = _position(str(error))
        try:
            compiled = env.compile(source, disable_check=True)
        except (RuntimeError, TypeError, UnicodeError) as worse:
            raise ExpressionSyntaxError(*_position(str(worse))) from worse
        if strict:
            raise ExpressionCheckError(*failure) from error
        warning = failure[0]
    serialized = compiled.serialize()
    try:
        tree = syntax_tree(serialized)
    except DecodeError as error:
        raise ExpressionSyntaxError("nested too deeply", 1, 1) from error
    native, refusal = _native(tree.expr, context)
    if context is Context.AUTHORIZATION and use_own_substring(tree):
        serialized = _packed(tree)
    return Expression(
        source=source,
        context=context,
        warning=warning,
        roots=free_names(tree.expr),
        equalities=equality_tests(tree.expr),
        exact=is_equality_tests(tree.expr),
        descriptors=descriptor_indexes(tree.expr),
        entries=descriptor_entries(tree.expr),
        result=_type_name(compiled),
        native=native,
        refusal=refusal,
        serialized=serialized,
    )


def _type_name(compiled: cel.Expression) -> str:
    try:
        return str(compiled.return_type().name())
    except RuntimeError:
        # A map with keys that no map can have: an evaluation will fail.
        return "ERROR"


def syntax_tree(serialized: bytes) -> CheckedExpr | ParsedExpr:
    """The checked tree, or the parsed one of an expression compiled unchecked."""
    packed = Any.FromString(serialized)
    message = CheckedExpr if packed.type_url.endswith("CheckedExpr") else ParsedExpr
    return message.FromString(packed.value)


def _packed(tree: CheckedExpr | ParsedExpr) -> bytes:
    packed = Any()
    packed.Pack(tree)
    return packed.SerializeToString()


def _native(expression: Expr, context: Context) -> tuple[NativeProgram | None, str | None]:
    limits = context is not Context.AUTHORIZATION
    try:
        program = compile_native(expression, SLOTS[context], extremes=limits, extensions=not limits)
    except RefusedError as error:
        return None, str(error)
    return program, None


_POSITION = re.compile(r"ERROR: <input>:(\d+):(\d+): (.*)")
_STATUS = re.compile(r"\A[A-Z_]+: ")
_CODES = (
    (ErrorCode.NO_MATCHING_OVERLOAD, "No matching overloads"),
    (ErrorCode.NO_MATCHING_OVERLOAD, "Index error: expected"),
    (ErrorCode.NO_MATCHING_OVERLOAD, "Invalid container type"),
    (ErrorCode.NO_MATCHING_OVERLOAD, "Invalid map key type"),
    (ErrorCode.INDEX_OUT_OF_RANGE, "Index error"),
    (ErrorCode.NO_SUCH_KEY, "Key not found"),
    (ErrorCode.NO_SUCH_FIELD, "Applying SELECT"),
    (ErrorCode.UNKNOWN_VARIABLE, "No value with name"),
    (ErrorCode.BUDGET_EXCEEDED, "Iteration budget"),
    (ErrorCode.BAD_PATTERN, "invalid regular expression"),
    (ErrorCode.DIVIDE_BY_ZERO, "divide by zero"),
    (ErrorCode.DIVIDE_BY_ZERO, "modulus by zero"),
    (ErrorCode.OVERFLOW, "integer overflow"),
    (ErrorCode.OVERFLOW, "unsigned integer overflow"),
    (ErrorCode.OVERFLOW, "double out of"),
    (ErrorCode.OVERFLOW, "int64 out of"),
    (ErrorCode.OVERFLOW, "uint64 out of"),
    (ErrorCode.BAD_CONVERSION, "cannot convert"),
    (ErrorCode.BAD_CONVERSION, "Type conversion error"),
    (ErrorCode.BAD_CONVERSION, "malformed UTF-8"),
)


def _translate(message: str) -> EvaluationError:
    """The error of a report; only its start counts, the rest may quote the request."""
    text = _STATUS.sub("", message)
    for code, mark in _CODES:
        if text.startswith(mark):
            return EvaluationError(code, message)
    return EvaluationError(ErrorCode.OTHER, message)


def _position(message: str) -> tuple[str, int, int]:
    """(what is wrong, line, column) out of the parser's report."""
    found = _POSITION.search(message)
    if not found:
        return message.split("\n", 1)[0], 1, 1
    return found[3], int(found[1]), int(found[2])
