"""Rate limit messages as Python values: what the codec decodes into and encodes from.

Field names follow envoy.service.ratelimit.v3; times are nanoseconds.
"""

from dataclasses import dataclass, field
from enum import IntEnum


class Code(IntEnum):
    """RateLimitResponse.Code. Envoy lets UNKNOWN pass like OK."""

    UNKNOWN = 0
    OK = 1
    OVER_LIMIT = 2


@dataclass(frozen=True, slots=True)
class Override:
    """RateLimitDescriptor.limit. The unit is type.v3.RateLimitUnit; a multiplier of 0 is absent."""

    requests_per_unit: int
    unit: int
    unit_multiplier: int = 0


@dataclass(frozen=True, slots=True)
class Descriptor:
    """entries: as sent, in order; a repeated key is kept here and its last value counts.

    hits_addend: None when absent; a present 0 looks without charging. With `is_negative` the hits
    are given back.
    """

    entries: tuple[tuple[str, str], ...]
    hits_addend: int | None = None
    is_negative: bool = False
    override: Override | None = None


@dataclass(frozen=True, slots=True)
class RateLimitRequest:
    """hits_addend: as sent; 0 (which is also absent) counts as 1."""

    domain: str
    descriptors: tuple[Descriptor, ...] = ()
    hits_addend: int = 0

    def hits(self, index: int) -> int:
        """Signed hits of descriptor `index`: its own or the request's; negative gives back.

        An index past the last descriptor means the last one; without descriptors the request's hits
        count. Descriptor values are clamped to 2^63 - 1.
        """
        hits = self.hits_addend or 1
        if not self.descriptors:
            return hits
        descriptor = self.descriptors[min(index, len(self.descriptors) - 1)]
        if descriptor.hits_addend is not None:
            hits = min(descriptor.hits_addend, 2**63 - 1)
        return -hits if descriptor.is_negative else hits

    def call_hits(self) -> int:
        """What the metrics count for one call: the most any descriptor takes, at least 0."""
        return max(
            (max(self.hits(i), 0) for i in range(len(self.descriptors))), default=self.hits(0)
        )


@dataclass(frozen=True, slots=True)
class CurrentLimit:
    """The limit that a status describes.

    The encoder turns the window into RateLimit.unit and unit_multiplier: the largest of year (365
    days), month (30 days), week, day, hour, minute and second that divides it, with the multiplier
    left out when it is 1. A fraction of a second is rounded up; a window of 0 has unit UNKNOWN,
    which Envoy leaves out of its headers. max_value above 2^32 - 1 is written as 2^32 - 1.
    """

    max_value: int
    window_ns: int
    name: str = ""


@dataclass(frozen=True, slots=True)
class Status:
    """One DescriptorStatus. With limit None only the code and what remains are written.

    remaining above 2^32 - 1 is written as 2^32 - 1; reset_ns becomes duration_until_reset.
    """

    code: Code = Code.OK
    limit: CurrentLimit | None = None
    remaining: int = 0
    reset_ns: int = 0


@dataclass(frozen=True, slots=True)
class RateLimitResponse:
    """dynamic_metadata: an encoded google.protobuf.Struct, None when absent."""

    code: Code
    statuses: tuple[Status, ...] = ()
    response_headers: tuple[tuple[str, str], ...] = ()
    request_headers: tuple[tuple[str, str], ...] = ()
    raw_body: bytes = b""
    dynamic_metadata: bytes | None = field(default=None, repr=False)
