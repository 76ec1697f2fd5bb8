"""What became of one evaluator in one request."""

from dataclasses import dataclass, field
from enum import StrEnum

from authz.config import Entry


class Outcome(StrEnum):
    """IGNORED: its `when` does not hold. DENIED: it gave no result, in whatever phase.
    CANCELLED: another one of its priority ended the phase, or the caller gave up."""

    SUCCEEDED = "succeeded"
    IGNORED = "ignored"
    DENIED = "denied"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Step:
    """phase: a field of the spec. reason: why it gave no result. remembered: the result is an
    earlier one. began_ns, ended_ns: monotonic."""

    phase: str
    entry: Entry
    outcome: Outcome
    began_ns: int
    ended_ns: int
    result: object = field(default=None, repr=False)
    reason: str = ""
    remembered: bool = False
