"""What `limit_index.limit_set` compiles: limits as plain data, expressions already compiled."""

from dataclasses import dataclass
from enum import IntEnum
from hashlib import blake2b
from typing import NamedTuple

from _fastpath.calendar import Calendar
from _fastpath.handler import Unit
from _fastpath.header_spec import Refusal


class Algorithm(IntEnum):
    """How a counter counts; docs/algorithms.md shows each by a timeline."""

    FIXED_WINDOW = 1
    """Opens with the first charged hit, as in Limitador."""
    ALIGNED_WINDOW = 2
    """Windows at multiples of their length since the Unix epoch, as in envoyproxy/ratelimit."""
    CALENDAR_WINDOW = 3
    """Minutes to years of a time zone."""
    SLIDING_WINDOW = 4
    """The previous window counts by the part of it that is still within reach."""
    TOKEN_BUCKET = 5
    """GCRA: refills evenly, up to its burst."""
    CONCURRENCY = 6
    """Slots in use at a time, freed by giving back or when their lease ends."""


class Quota(NamedTuple):
    """How one counter counts.

    max_value: 0 … 2^64 - 1. window_ns: 0 … 2^63 - 1; a window of 0 never counts anything.
    CONCURRENCY: the lease of a slot. CALENDAR_WINDOW: the nominal length, for display only.
    burst: capacity of a TOKEN_BUCKET, 0 … 2^64 - 1; 0 stands for max_value. calendar: of a
    CALENDAR_WINDOW, and of no other.
    """

    algorithm: Algorithm
    max_value: int
    window_ns: int
    burst: int = 0
    calendar: Calendar | None = None


class Fail(IntEnum):
    """What a limit does when its counters cannot be reached."""

    CLOSED = 0
    """The request is refused."""
    OPEN = 1
    """The limit does not apply, uncounted."""
    LOCAL = 2
    """Counted by this process alone."""
    ERROR = 3
    """The call ends with UNAVAILABLE, so that Envoy's failure_mode_deny decides."""


def namespace_tag(namespace: str) -> bytes:
    """What the keys of a namespace's counters have in common in a store: 16 hexadecimal digits."""
    return blake2b(namespace.encode(), digest_size=8).hexdigest().encode()


class OnError(IntEnum):
    """What a limit does when one of its expressions fails.

    An expression that misses a map key or a list index is no failure: the limit does not apply,
    uncounted, whatever is chosen here. Any other CEL error, a condition that is no boolean and a
    variable that is no string, number, boolean or null is a failure and counted per limit.

    SKIP: the limit does not apply. APPLY: a failing condition counts as true, a failing variable
    as the empty string. REFUSE: ShouldRateLimit and CheckRateLimit answer OVER_LIMIT with nothing
    charged, and the limit is reported with nothing remaining and reset 0; Report skips it.
    """

    SKIP = 0
    APPLY = 1
    REFUSE = 2


@dataclass(frozen=True, slots=True)
class LimitSpec:
    """One limit. The native side keeps no reference to these objects.

    digest: 16 bytes, the limit's identity in the counter table.
    conditions, variables: NativeProgram units in the order both lanes evaluate them; None where an
    expression has none, and then a request for which this one would have to be evaluated is
    deferred to the full lane before anything is counted or charged. A condition that is nothing but
    equality tests may be left out.
    equalities: (descriptor index, key, value) tests that must hold for the limit to apply;
    `descriptors[i].key == 'value'` taken from all its conditions. Both lanes make these tests
    first: if one does not hold, the limit does not apply and none of its expressions is evaluated,
    so none can fail.
    descriptor: the home of the limit: the highest descriptor index that its conditions and
    variables name as a constant, 0 if none. Its hits are what the limit is charged with, and the
    limit is reported in its status; an index past the request's last descriptor means the last.
    cost: the one expression that gives the hits to charge, or none; the same units as conditions.
    shadow: counts and reports, never refuses. unlimited: likewise, without a maximum to report.
    always: charged also when the request is refused. headers: whether clients are told of the
    limit. priority: of several limits that refuse the one with the highest is reported. fail: what
    it does when its counters cannot be reached. refusal: what it adds to the answer when it is the
    one reported for a refusal.
    """

    digest: bytes
    quota: Quota
    name: str | None = None
    id: str | None = None
    conditions: tuple[Unit | None, ...] = ()
    variables: tuple[Unit | None, ...] = ()
    equalities: tuple[tuple[int, str, str], ...] = ()
    descriptor: int = 0
    on_error: OnError = OnError.SKIP
    cost: tuple[Unit | None, ...] = ()
    shadow: bool = False
    unlimited: bool = False
    always: bool = False
    headers: bool = True
    priority: int = 0
    fail: Fail = Fail.CLOSED
    refusal: Refusal | None = None
