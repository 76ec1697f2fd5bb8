"""Where something was written."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A file and a line in it, counted from 1; printed as people and editors expect."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"
