"""Authorino's patterns: a selector, an operator and a value, compared as text.

`eq` and `neq` compare the text of the selected value, empty where there is none. `incl` and `excl`
look for the value among the texts of a list's items; anything else counts as a list of one, null
and nothing as an empty one. `matches` searches an RE2 regular expression in the text.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from _fastpath.program import NativeProgram, ProgramBuilder
from _fastpath.regex import Regex
from _fastpath.text import text_of_value
from expressions.errors import ErrorCode, EvaluationError, PatternError
from expressions.selector import Selector, add_path, compile_selector

_OPERATIONS = {
    "eq": "text_equal",
    "neq": "text_not_equal",
    "incl": "includes",
    "excl": "excludes",
    "matches": "text_matches",
}
OPERATORS = tuple(_OPERATIONS)


@dataclass(frozen=True, slots=True)
class Pattern:
    """A compiled pattern; `native` answers a boolean, and is None where the selector has none."""

    selector: Selector
    operator: str
    value: str
    regex: Regex | None
    native: NativeProgram | None

    @property
    def refusal(self) -> str | None:
        """Why there is no native form."""
        return self.selector.refusal

    def evaluate(self, document: Mapping[str, object]) -> bool:
        """Whether the document passes. Raises EvaluationError for a value that has no text."""
        try:
            return self._passes(self.selector.find(document))
        except ValueError as error:
            raise EvaluationError(ErrorCode.BAD_CONVERSION, str(error)) from error

    def _passes(self, value: object) -> bool:
        if self.regex:
            return self.regex.search(text_of_value(value))
        if self.operator in ("eq", "neq"):
            return (text_of_value(value) == self.value) == (self.operator == "eq")
        items = value if isinstance(value, list) else [] if value is None else [value]
        found = any(text_of_value(item) == self.value for item in items)
        return found == (self.operator == "incl")


@lru_cache(maxsize=65536)
def compile_pattern(selector: str, operator: str, value: str) -> Pattern:
    """Equal patterns share one.

    Raises UnsupportedSelector, and PatternError for an operator or expression that is none.
    """
    if operator not in _OPERATIONS:
        raise PatternError(f"{operator!r} is no operator; expected one of {', '.join(OPERATORS)}")
    path = compile_selector(selector)
    try:
        regex = Regex(value) if operator == "matches" else None
        native = None if path.names is None else _native(path.names, operator, value)
    except ValueError as error:
        raise PatternError(f"{value!r} is no value for {operator}: {error}") from error
    return Pattern(path, operator, value, regex, native)


def _native(names: tuple[str, ...], operator: str, value: str) -> NativeProgram:
    builder = ProgramBuilder()
    selected = add_path(builder, names)
    if operator == "matches":
        builder.node("text_matches", selected, pattern=value)
    else:
        builder.node(_OPERATIONS[operator], selected, text=value)
    return builder.finish()
