"""What a decision comes to while Redis is away, by what each limit says."""

from collections.abc import Sequence

from _fastpath.clock import Clock
from _fastpath.counters import CounterTable, Hit, Mode, Verdict
from _fastpath.limit_spec import Fail
from ratelimit.errors import StoreUnavailable


def without_redis(
    local: CounterTable, hits: Sequence[Hit], fails: Sequence[Fail], mode: Mode, clock: Clock
) -> list[Verdict | None]:
    """A verdict per hit, None for one that is let through uncounted.

    A limit that fails closed refuses the decision, so nothing is charged here then. Raises
    StoreUnavailable when one of `fails` says so.
    """
    if Fail.ERROR in fails:
        raise StoreUnavailable("the counter store does not answer")
    verdicts: list[Verdict | None] = [None] * len(hits)
    closed = mode is Mode.CHECK_AND_ADD and any(
        fail is Fail.CLOSED and hit.binding for hit, fail in zip(hits, fails, strict=True)
    )
    here = [index for index, fail in enumerate(fails) if fail is Fail.LOCAL]
    counted = local.check_and_add(
        [hits[index] for index in here], clock, Mode.CHECK if closed else mode
    )
    for index, verdict in zip(here, counted, strict=True):
        verdicts[index] = verdict
    for index, fail in enumerate(fails):
        if fail is Fail.CLOSED:
            verdicts[index] = Verdict(fits=False, remaining=0, reset_ns=0, retry_ns=0)
    return verdicts
