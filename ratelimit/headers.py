"""Response headers that tell a client its limits: three families, and Retry-After.

`_fastpath/rate_limit_headers.hpp` writes the same bytes; docs/headers.md shows an answer of each.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from _fastpath.counters import Verdict
from _fastpath.header_spec import NEVER_NS, SECOND_NS, HeaderFamily, HeaderSpec
from _fastpath.limit_spec import Algorithm
from ratelimit.limit import Limit

MOST_INTEGER = 10**15 - 1  # of structured fields, RFC 9651 section 3.3.1
Headers = tuple[tuple[str, str], ...]
_QUOTED = str.maketrans({'"': "'", **{chr(code): " " for code in (*range(32), 127)}})


@dataclass(frozen=True, slots=True)
class ShownLimit:
    """One limit of an answer; refuses: it is why the request is refused, or one of the reasons."""

    limit: Limit
    verdict: Verdict
    refuses: bool

    @property
    def wait_ns(self) -> int:
        """Until this limit may let the request pass.

        A slot may be given back at any time, long before its lease ends.
        """
        if not self.refuses:
            return NEVER_NS
        if self.limit.quota.algorithm is Algorithm.CONCURRENCY:
            return min(self.verdict.retry_ns, SECOND_NS)
        return self.verdict.retry_ns


def rate_limit_headers(shown: Sequence[ShownLimit], spec: HeaderSpec) -> Headers:
    """Headers for limits in order of restrictiveness; none when there are no limits to show."""
    if not shown:
        return ()
    made: Headers = ()
    if spec.family is HeaderFamily.DRAFT_VERSION_03:
        made = _draft03(shown)
    elif spec.family is HeaderFamily.RATELIMIT:
        made = _single(shown[0])
    elif spec.family is HeaderFamily.IETF:
        made = _ietf(shown)
    if spec.retry_after and (seconds := retry_after(shown)):
        made += (("Retry-After", str(seconds)),)
    return made


def retry_after(shown: Iterable[ShownLimit]) -> int | None:
    """Seconds until all limits that refuse may let the request pass, at least 1.

    None when nothing refuses, and when waiting does not help.
    """
    seconds = 0
    for limit in shown:
        if not limit.refuses:
            continue
        if limit.verdict.retry_ns == NEVER_NS:
            return None
        seconds = max(seconds, 1, _seconds_up(limit.wait_ns))
    return seconds or None


def _draft03(shown: Sequence[ShownLimit]) -> Headers:
    """The first limit gives Limit, Remaining and Reset (truncated); the list names all.

    Quotes in a name become single ones and control characters spaces, so no name ends a header.
    """
    first = shown[0]
    policies = "".join(f", {_draft03_policy(each.limit)}" for each in shown)
    return (
        ("X-RateLimit-Limit", f"{first.limit.max_value}{policies}"),
        ("X-RateLimit-Remaining", str(first.verdict.remaining)),
        ("X-RateLimit-Reset", str(first.verdict.reset_ns // SECOND_NS)),
    )


def _draft03_policy(limit: Limit) -> str:
    policy = f"{limit.max_value};w={_seconds_up(limit.window_ns)}"
    if limit.name is None:
        return policy
    return f'{policy};name="{limit.name.translate(_QUOTED)}"'


def _single(shown: ShownLimit) -> Headers:
    return (
        ("RateLimit-Limit", str(shown.limit.max_value)),
        ("RateLimit-Remaining", str(shown.verdict.remaining)),
        ("RateLimit-Reset", str(_seconds_up(shown.verdict.reset_ns))),
    )


def _ietf(shown: Sequence[ShownLimit]) -> Headers:
    return (
        ("RateLimit-Policy", ", ".join(_ietf_policy(each.limit) for each in shown)),
        ("RateLimit", ", ".join(_ietf_limit(each) for each in shown)),
    )


def _ietf_policy(limit: Limit) -> str:
    policy = f"{_ietf_name(limit)};q={min(limit.max_value, MOST_INTEGER)}"
    if limit.quota.algorithm is Algorithm.CONCURRENCY:
        return f'{policy};qu="concurrent-requests"'
    return f"{policy};w={_seconds_up(limit.window_ns)}" if limit.window_ns else policy


def _ietf_limit(shown: ShownLimit) -> str:
    """`t`: until more is available, which never is later than Retry-After."""
    remaining = min(shown.verdict.remaining, MOST_INTEGER)
    reset = _seconds_up(min(shown.verdict.reset_ns, shown.wait_ns))
    return f"{_ietf_name(shown.limit)};r={remaining};t={reset}"


def _ietf_name(limit: Limit) -> str:
    """A String of RFC 9651, which holds printable ASCII: other bytes are written as %xx.

    A limit without a name, or with an empty one, is named by its digest. Variable values, which
    the draft calls the partition key, are never told.
    """
    if not limit.name:
        return f'"limit-{limit.digest[:4].hex()}"'
    characters = (_ietf_character(byte) for byte in limit.name.encode())
    return f'"{"".join(characters)}"'


def _ietf_character(byte: int) -> str:
    if byte in b'"\\':
        return f"\\{chr(byte)}"
    return chr(byte) if 0x20 <= byte <= 0x7E else f"%{byte:02x}"


def _seconds_up(ns: int) -> int:
    """Whole seconds, rounded up, so that nobody comes back too early."""
    return -(-ns // SECOND_NS)
