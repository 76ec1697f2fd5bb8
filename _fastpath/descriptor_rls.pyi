"""Native ShouldRateLimit over descriptor trees, as envoyproxy/ratelimit answers."""

from collections.abc import Hashable, Sequence

from _fastpath.cells import Series
from _fastpath.counters import CounterTable
from _fastpath.handler import NativeHandler
from _fastpath.plan import Plans
from _fastpath.store_batch import StoreBatches

class DescriptorDecider:
    """Decides against the published plan, byte for byte as the full lane does.

    1. Bytes that protobuf refuses: INTERNAL. Past the bounds of rls_codec: RESOURCE_EXHAUSTED. An
       empty domain, no descriptors, no plan published yet: UNKNOWN with the original's text.
    2. Each descriptor of a domain that is configured meets at most one limit. Entry by entry the
       tree is descended: first to the node whose text is `key_value`, else to the first wildcard
       in order of the file that matches this text, else to the node whose text is `key`. The limit
       of the last one applies, if it has one. A limit in the descriptor applies instead; it has no
       name, mode or metadata; without a unit the call ends with UNKNOWN.
    3. A limit whose name another limit of the request replaces does not count, and an unlimited one
       never does (it still replaces).
    4. Hits of a descriptor: `RateLimitRequest.hits`. Its counter is that of the domain, the window
       and all keys and values; a wildcard with share_threshold stands for its value.
    5. Every counter is charged whatever the others say. With stop_when_over, once one does not fit,
       only those that do not fit are charged, and what is given back. A counter named twice is
       charged twice, in order. Counters that cannot be held: UNKNOWN, "Service unavailable".

    Statuses: one per descriptor. Its limit, what remains and the seconds until reset, rounded up;
    OVER_LIMIT if it does not fit, but OK in shadow mode, both with nothing remaining. Unlimited: OK
    with 2^32 - 1 remaining. Else OK alone.

    Code: OVER_LIMIT if a status of a limit not in quota mode is, or those of all limits in quota
    mode are (with `quota` every descriptor is in quota mode, also one without a limit); OK if not,
    and always with `shadow`.

    Headers, with names for them: limit, remaining and seconds until reset of the last descriptor
    that is over outside of quota mode, else of the first with the least remaining.

    Deferred to the full lane: all requests with `metadata`, and those with a limit whose unit has a
    multiplier. Where the counters are outside this process also what takes more than one decision:
    with stop_when_over, and a counter named twice.

    Statistics are counted under a name per limit: the domain and the limit's keys, with the values
    that the configuration asks for. Names with values of requests are bounded by `max_names`;
    further ones count under None. So are domains that are not configured.
    """

    should_rate_limit: NativeHandler

    def __init__(
        self,
        plans: Plans,
        counters: CounterTable,
        series: Series,
        *,
        headers: tuple[str, str, str] | None,
        shadow: bool,
        quota: bool,
        metadata: bool,
        stop_when_over: bool,
        near_ratio: float,
        batches: StoreBatches | None = None,
        max_names: int = 2000,
    ) -> None:
        """headers: names for limit, remaining and reset. batches: where decisions over counters
        outside this process are left."""

    # How the full lane counts: the same series, under the interpreter lock.
    def count_limit(self, statistics: str, amounts: Sequence[int]) -> None:
        """amounts: one per descriptor_spec.STATISTICS."""

    def count_unknown_domain(self, domain: str, descriptors: int) -> None: ...
    def count_call(self) -> None: ...
    def count_service_error(self) -> None: ...
    def count_store_error(self) -> None: ...
    def count_shadowed(self) -> None:
        """A request that only the global shadow mode let pass."""

    def totals(self) -> dict[tuple[Hashable, ...], int]:
        """Sums by key: ("limit", name, STATISTICS index), ("unknown_domain", domain), ("calls",),
        ("service_errors",), ("store_errors",), ("shadowed",). None gathers names past the bound. A
        series of zero is left out.
        """
