"""Errors of the rule language.

ExpressionError
├── ExpressionSyntaxError   the text is no CEL
├── ExpressionCheckError    the checker refuses it (types, unbound names)
├── UnsupportedSelector     a selector cannot be read, or uses what is not known
├── PatternError            a pattern's operator or regular expression is none
└── EvaluationError         a CEL error while evaluating; `code` is stable, the message is not
"""

from enum import IntEnum


class ErrorCode(IntEnum):
    """Why an evaluation failed; the numbers of `_fastpath/value.hpp`."""

    NO_SUCH_KEY = 1
    NO_SUCH_FIELD = 2
    INDEX_OUT_OF_RANGE = 3
    NO_MATCHING_OVERLOAD = 4
    OVERFLOW = 5
    DIVIDE_BY_ZERO = 6
    BAD_CONVERSION = 7
    BUDGET_EXCEEDED = 8
    UNKNOWN_VARIABLE = 9
    BAD_PATTERN = 10
    OUT_OF_MEMORY = 11
    OTHER = 99


class ExpressionError(Exception):
    """Base of everything this package raises."""


class ExpressionSyntaxError(ExpressionError):
    """`line` and `column` count from 1 within the expression."""

    def __init__(self, message: str, line: int, column: int) -> None:
        super().__init__(message)
        self.message = message
        self.line = line
        self.column = column


class ExpressionCheckError(ExpressionSyntaxError):
    """As ExpressionSyntaxError, for text that parses."""


class UnsupportedSelector(ExpressionError):
    """The message names the construct."""


class PatternError(ExpressionError):
    """The message names the operator or the regular expression."""


class EvaluationError(ExpressionError):
    """A CEL error value."""

    def __init__(self, code: ErrorCode, message: str) -> None:
        super().__init__(message)
        self.code = code
