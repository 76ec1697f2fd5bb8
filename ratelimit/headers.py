"""X-RateLimit-* headers of draft-ietf-httpapi-ratelimit-headers-03, as Limitador writes them."""

from collections.abc import Sequence

from _fastpath.counters import Verdict
from ratelimit.limit import SECOND_NS, Limit

_NAME = str.maketrans({'"': "'", **{chr(code): " " for code in (*range(32), 127)}})


def rate_limit_headers(applied: Sequence[tuple[Limit, Verdict]]) -> tuple[tuple[str, str], ...]:
    """Headers for limits in order of restrictiveness; none when no limit applied.

    The first limit gives Limit, Remaining and Reset (whole seconds, truncated); the list names all.
    Quotes in a name become single ones and control characters spaces, so no name ends a header.
    """
    if not applied:
        return ()
    first, verdict = applied[0]
    policies = "".join(f", {_policy(limit)}" for limit, _ in applied)
    return (
        ("X-RateLimit-Limit", f"{first.max_value}{policies}"),
        ("X-RateLimit-Remaining", str(verdict.remaining)),
        ("X-RateLimit-Reset", str(verdict.reset_ns // SECOND_NS)),
    )


def _policy(limit: Limit) -> str:
    policy = f"{limit.max_value};w={limit.window_ns // SECOND_NS}"
    if limit.name is None:
        return policy
    return f'{policy};name="{limit.name.translate(_NAME)}"'
