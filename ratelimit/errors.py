"""Errors of this package.

RateLimitError
├── LimitsFileError   a limits file that is refused whole; what it said before stays in force
└── StoreUnavailable  counters that cannot be reached or held; the call ends UNAVAILABLE
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """Something wrong in a limits file. `line` counts from 1, and is 0 in what has no lines;
    `field` is empty for the entry."""

    file: str
    line: int
    field: str
    message: str

    def __str__(self) -> str:
        field = f"{self.field}: " if self.field else ""
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {field}{self.message}"


class RateLimitError(Exception):
    """Base of everything this package raises."""


class LimitsFileError(RateLimitError):
    """All that is wrong with a file, in order of line; at least one problem."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = tuple(problems)


class StoreUnavailable(RateLimitError):
    """Counters cannot be reached, or held."""
