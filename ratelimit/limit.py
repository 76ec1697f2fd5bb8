"""The limit: what may be used how often, and what makes two limits the same one."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b

from _fastpath.calendar import Calendar, Period
from _fastpath.header_spec import Refusal
from _fastpath.limit_spec import Algorithm, Fail, OnError, Quota

DIGEST_SIZE = 16
MAX_WINDOW_NS = 2**63 - 1
SECOND_NS = 1_000_000_000
NOMINAL_SECONDS = {
    Period.MINUTE: 60,
    Period.HOUR: 3600,
    Period.DAY: 86_400,
    Period.WEEK: 7 * 86_400,
    Period.MONTH: 30 * 86_400,
    Period.YEAR: 365 * 86_400,
}
"""The lengths that headers and statuses tell of calendar windows; Envoy's units are these."""


@dataclass(frozen=True)
class Limit:
    """At most `max_value` hits in a window, per value of the variables.

    Without the fields from `algorithm` on it is one of Limitador's: windows of `seconds` that open
    with the first hit. docs/limits.md tells what each field means.

    conditions, variables: sources of CEL expressions, sorted, without repetition, as Limitador
    keeps them. max_value, seconds: 0 … 2^64 - 1; a max_value of 0 denies all, a window of 0 counts
    nothing and refuses only more than max_value at once. The window, or the lease of a slot, is
    `seconds` and `nanos` (0 … 10^9 - 1) long; of a calendar limit it is the nominal length of its
    period. burst: of a token bucket, 0 means max_value. cost: source of a CEL expression. fail:
    None means what the process does by default. An unlimited limit has the largest max_value.
    """

    namespace: str
    max_value: int
    seconds: int
    conditions: tuple[str, ...] = ()
    variables: tuple[str, ...] = ()
    name: str | None = None
    id: str | None = None
    on_error: OnError = OnError.SKIP
    algorithm: Algorithm = Algorithm.FIXED_WINDOW
    nanos: int = 0
    period: Period = Period.DAY
    time_zone: str = "UTC"
    burst: int = 0
    unlimited: bool = False
    shadow: bool = False
    enabled: bool = True
    priority: int = 0
    cost: str | None = None
    count_refused: bool = False
    fail: Fail | None = None
    headers: bool = True
    refusal: Refusal | None = None

    @cached_property
    def quota(self) -> Quota:
        """How each of the limit's counters counts."""
        calendar = None
        if self.algorithm is Algorithm.CALENDAR_WINDOW:
            calendar = Calendar(self.period, self.time_zone)
        return Quota(self.algorithm, self.max_value, self.window_ns, self.burst, calendar)

    @property
    def window_ns(self) -> int:
        """Saturates at about 292 years."""
        return min(self.seconds * SECOND_NS + self.nanos, MAX_WINDOW_NS)

    @property
    def capacity(self) -> int:
        """The most hits that an untouched counter takes at once."""
        return self.burst or self.max_value

    @property
    def binding(self) -> bool:
        """Whether it can make a request refuse."""
        return not (self.shadow or self.unlimited)

    @cached_property
    def digest(self) -> bytes:
        """The identity in 16 bytes; the same in every process.

        Counters belong to namespace, conditions, variables, algorithm and window; everything else
        may change. Limits without additions to Limitador's fields have digests of their own form,
        which starts with a digit.
        """
        digest = blake2b(digest_size=DIGEST_SIZE)
        if self.algorithm is not Algorithm.FIXED_WINDOW or self.nanos:
            digest.update(b"+")
            for part in _window_parts(self):
                _add(digest, part)
        for part in _parts(self):
            _add(digest, part)
        return digest.digest()


def _add(digest: blake2b, part: str) -> None:
    data = part.encode()
    digest.update(b"%d:%b" % (len(data), data))


def _window_parts(limit: Limit) -> Iterable[str]:
    yield limit.algorithm.name
    yield str(limit.nanos)
    if limit.algorithm is Algorithm.CALENDAR_WINDOW:
        yield limit.period.name
        yield limit.time_zone


def _parts(limit: Limit) -> Iterable[str]:
    yield limit.namespace
    yield str(limit.seconds)
    yield str(len(limit.conditions))
    yield from limit.conditions
    yield from limit.variables
