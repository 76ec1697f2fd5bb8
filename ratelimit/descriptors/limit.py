"""A limit of a descriptor tree, and what makes two counters the same one."""

import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from functools import lru_cache
from hashlib import blake2b
from typing import Any

from _fastpath.limit_spec import Algorithm, Quota

DIGEST_SIZE = 16
SECOND_NS = 1_000_000_000
MOST_REQUESTS = 2**32 - 1
MAX_WINDOW_NS = 2**63 - 1

Entries = Sequence[tuple[str, str]]


class Unit(IntEnum):
    """envoy.type.v3.RateLimitUnit and RateLimitResponse.RateLimit.Unit."""

    UNKNOWN = 0
    SECOND = 1
    MINUTE = 2
    HOUR = 3
    DAY = 4
    MONTH = 5
    YEAR = 6
    WEEK = 7


UNIT_SECONDS = {
    Unit.SECOND: 1,
    Unit.MINUTE: 60,
    Unit.HOUR: 3600,
    Unit.DAY: 86_400,
    Unit.WEEK: 604_800,
    Unit.MONTH: 2_592_000,
    Unit.YEAR: 31_536_000,
}


@dataclass(frozen=True, slots=True)
class DescriptorLimit:
    """`requests` per `multiplier` units, in windows aligned to the Unix epoch.

    requests: 0 … 2^32 - 1; 0 refuses all. multiplier: 1 … 2^32 - 1. unlimited: neither counted nor
    refused; the unit is then UNKNOWN. replaces: names of limits that do not count in a request
    where this one applies. metadata: JSON, for the answer's dynamic metadata.
    """

    requests: int
    unit: Unit
    multiplier: int = 1
    unlimited: bool = False
    name: str = ""
    replaces: tuple[str, ...] = ()
    shadow_mode: bool = False
    quota_mode: bool = False
    detailed_metric: bool = False
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def window_ns(self) -> int:
        """Saturates at about 292 years."""
        seconds = UNIT_SECONDS.get(self.unit, 0) * self.multiplier
        return min(seconds * SECOND_NS, MAX_WINDOW_NS)

    @property
    def quota(self) -> Quota:
        return Quota(Algorithm.ALIGNED_WINDOW, self.requests, self.window_ns)


@lru_cache(maxsize=4096)
def counter_digest(domain: str, window_ns: int) -> bytes:
    """The identity, in 16 bytes, of a domain's counters of one window; the same everywhere.

    Counters of a domain and window differ by the keys and values of their descriptor. So a limit
    keeps its counters when anything else about it changes, and a limit that comes with a request
    counts on with the configured one, as in envoyproxy/ratelimit.
    """
    text = domain.encode()
    data = b"descriptors:%d:%b%d" % (len(text), text, window_ns)
    return blake2b(data, digest_size=DIGEST_SIZE).digest()


def near_limit(requests: int, ratio: float) -> int:
    """The hits from which a limit counts as near, in the single precision of the original."""
    return math.floor(_single(_single(requests) * _single(ratio)))


def _single(number: float) -> float:
    return float(struct.unpack("f", struct.pack("f", number))[0])
