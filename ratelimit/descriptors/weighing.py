"""Which limits a request meets, one per descriptor at most, and with how many hits."""

from dataclasses import dataclass, replace

from _fastpath.rls_message import Descriptor, Override, RateLimitRequest
from ratelimit.descriptors.errors import NO_UNIT, RequestRefused
from ratelimit.descriptors.limit import UNIT_SECONDS, DescriptorLimit, Unit
from ratelimit.descriptors.tree import Domain, Match, find, override_statistics


@dataclass(frozen=True, slots=True)
class Weighed:
    """One descriptor. match: what is counted; None where nothing applies, where the limit is
    unlimited, and where another one of the request replaces it. hits: negative gives back."""

    hits: int
    match: Match | None = None
    unlimited: bool = False


def weigh(domain: Domain | None, request: RateLimitRequest) -> list[Weighed]:
    """One per descriptor, in order. Raises RequestRefused for an override without a unit."""
    if domain is None:
        return [Weighed(request.hits(i)) for i in range(len(request.descriptors))]
    matches = [_match(domain, descriptor) for descriptor in request.descriptors]
    replaced = {name for match in matches if match for name in match.limit.replaces}
    weighed = []
    for index, match in enumerate(matches):
        found = Weighed(request.hits(index))
        if match is not None and match.limit.unlimited:
            found = replace(found, unlimited=True)
        elif match is not None and not (match.limit.name and match.limit.name in replaced):
            found = replace(found, match=match)
        weighed.append(found)
    return weighed


def _match(domain: Domain, descriptor: Descriptor) -> Match | None:
    if descriptor.override is None:
        return find(domain, descriptor.entries)
    return Match(
        _override(descriptor.override),
        tuple(text for entry in descriptor.entries for text in entry),
        override_statistics(domain.name, descriptor.entries),
    )


def _override(override: Override) -> DescriptorLimit:
    """A limit that came with the request: never in shadow mode, never replaced."""
    if override.unit not in {int(unit) for unit in UNIT_SECONDS}:
        raise RequestRefused(NO_UNIT)
    multiplier = override.unit_multiplier or 1
    return DescriptorLimit(override.requests_per_unit, Unit(override.unit), multiplier)
