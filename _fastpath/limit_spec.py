"""What `limit_index.limit_set` compiles: limits as plain data, expressions already compiled."""

from dataclasses import dataclass
from enum import IntEnum

from _fastpath.handler import Unit


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
    """

    digest: bytes
    max_value: int
    window_ns: int
    name: str | None = None
    id: str | None = None
    conditions: tuple[Unit | None, ...] = ()
    variables: tuple[Unit | None, ...] = ()
    equalities: tuple[tuple[int, str, str], ...] = ()
    descriptor: int = 0
    on_error: OnError = OnError.SKIP
