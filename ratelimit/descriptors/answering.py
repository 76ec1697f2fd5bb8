"""The answer made of what the counters said."""

from collections.abc import Sequence
from dataclasses import dataclass

from _fastpath.counters import Verdict
from _fastpath.rls_message import Code, CurrentLimit, RateLimitRequest, RateLimitResponse, Status
from ratelimit.descriptors.limit import SECOND_NS
from ratelimit.descriptors.metadata import response_metadata
from ratelimit.descriptors.options import DescriptorOptions, HeaderNames
from ratelimit.descriptors.weighing import Weighed

UNLIMITED = 2**32 - 1  # remaining of an unlimited limit


@dataclass(frozen=True, slots=True)
class Reported:
    """One descriptor with its status. over: it refuses. quota: it does so in quota mode."""

    weighed: Weighed
    status: Status
    over: bool = False
    quota: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """shadowed: the request was let pass only because of the global shadow mode."""

    response: RateLimitResponse
    shadowed: bool


def answer(
    request: RateLimitRequest,
    weighed: Sequence[Weighed],
    verdicts: Sequence[Verdict | None],
    options: DescriptorOptions,
) -> Answer:
    reported = [
        _report(each, verdict, options) for each, verdict in zip(weighed, verdicts, strict=True)
    ]
    over = _over_limit(reported)
    shadowed = over and options.shadow
    passed = [
        each.weighed.match.limit.metadata
        for each in reported
        if each.weighed.match is not None and not each.over
    ]
    response = RateLimitResponse(
        code=Code.OVER_LIMIT if over and not shadowed else Code.OK,
        statuses=tuple(each.status for each in reported),
        response_headers=_headers(reported, options.headers) if options.headers else (),
        dynamic_metadata=response_metadata(request, passed) if options.metadata else None,
    )
    return Answer(response, shadowed)


def _report(weighed: Weighed, verdict: Verdict | None, options: DescriptorOptions) -> Reported:
    if weighed.unlimited:
        return Reported(weighed, Status(remaining=UNLIMITED))
    if weighed.match is None:
        return Reported(weighed, Status(), quota=options.quota)
    limit = weighed.match.limit
    over = verdict is not None and not verdict.fits and not limit.shadow_mode
    quota = options.quota or limit.quota_mode
    if verdict is None:
        return Reported(weighed, Status(), quota=quota)
    status = Status(
        code=Code.OVER_LIMIT if over else Code.OK,
        limit=CurrentLimit(limit.requests, limit.window_ns, limit.name),
        remaining=verdict.remaining if verdict.fits else 0,
        reset_ns=_whole_seconds(verdict.reset_ns),
    )
    return Reported(weighed, status, over, quota)


def _whole_seconds(nanoseconds: int) -> int:
    """Rounded up, as the original tells times."""
    return -(-nanoseconds // SECOND_NS) * SECOND_NS


def _over_limit(reported: Sequence[Reported]) -> bool:
    """Any limit in the ordinary mode, or all of those in quota mode."""
    quotas = [each.over for each in reported if each.quota and not each.weighed.unlimited]
    ordinary = any(each.over for each in reported if not each.quota)
    return ordinary or (bool(quotas) and all(quotas))


def _headers(reported: Sequence[Reported], names: HeaderNames) -> tuple[tuple[str, str], ...]:
    """Of the last descriptor that refuses, else of the first with the least remaining."""
    shown: Status | None = None
    least = UNLIMITED
    for each in reported:
        status = each.status
        if status.limit is not None and status.remaining < least:
            shown, least = status, status.remaining
        if each.over and not each.quota:
            shown, least = status, 0
    if shown is None or shown.limit is None:
        return ()
    return (
        (names.limit, str(shown.limit.max_value)),
        (names.remaining, str(shown.remaining)),
        (names.reset, str(shown.reset_ns // SECOND_NS)),
    )
