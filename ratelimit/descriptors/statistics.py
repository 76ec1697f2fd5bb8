"""What is counted per limit, and the names it shows under."""

import re
from dataclasses import dataclass
from enum import IntEnum

from _fastpath.counters import Verdict
from ratelimit.descriptors.limit import near_limit
from ratelimit.descriptors.weighing import Weighed

PREFIX = "ratelimit.service.rate_limit"
_IPV4 = re.compile(r"\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}")


class Statistic(IntEnum):
    """Of one limit, in hits."""

    TOTAL_HITS = 0
    WITHIN_LIMIT = 1
    NEAR_LIMIT = 2
    OVER_LIMIT = 3
    SHADOW_MODE = 4


@dataclass(frozen=True, slots=True)
class Tally:
    """What one descriptor adds to the statistics of its limit."""

    total: int
    within: int = 0
    near: int = 0
    over: int = 0
    shadow: int = 0

    def by_statistic(self) -> tuple[int, ...]:
        return self.total, self.within, self.near, self.over, self.shadow


def tally(weighed: Weighed, verdict: Verdict | None, near_ratio: float) -> Tally:
    """Hits below, from and past the limit; those given back count nowhere.

    Of hits that cross the limit only those past it are over, and those between the near threshold
    and the limit near; none is within.
    """
    assert weighed.match is not None
    limit, hits = weighed.match.limit, max(weighed.hits, 0)
    if verdict is None:
        return Tally(hits)
    near = near_limit(limit.requests, near_ratio)
    if verdict.fits:
        after = limit.requests - verdict.remaining
        return Tally(hits, within=hits, near=min(hits, max(after - near, 0)))
    left = min(verdict.remaining, hits)
    before = limit.requests - left
    over = hits - left
    crossing = limit.requests - max(near, before) if left else 0
    return Tally(hits, near=crossing, over=over, shadow=over if limit.shadow_mode else 0)


def sanitized(name: str) -> str:
    """A statistic's name as the original writes it: no colons and bars, no dots in addresses."""
    name = name.replace(":", "_").replace("|", "_")
    return _IPV4.sub(lambda found: found[0].replace(".", "_"), name)


def labels(name: str) -> dict[str, str]:
    """The labels in Prometheus of a sanitized name: its first three parts, the rest is dropped."""
    domain, _, rest = name.partition(".")
    keys = rest.split(".")[:2]
    return {"domain": domain, **{f"key{i}": key for i, key in enumerate(keys, 1)}}
