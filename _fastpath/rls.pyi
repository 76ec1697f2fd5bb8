"""Native ShouldRateLimit, CheckRateLimit and Report."""

from collections.abc import Hashable

from _fastpath.cells import Series
from _fastpath.counters import CounterTable
from _fastpath.handler import NativeHandler
from _fastpath.header_spec import HeaderSpec
from _fastpath.plan import Plans

class RateLimitDecider:
    """Decides rate limit requests against the published plan, byte for byte as the full lane does.

    All three methods, in this order:

    1. Bytes that protobuf refuses: INTERNAL, MALFORMED. Past the bounds of rls_codec:
       RESOURCE_EXHAUSTED, TOO_LARGE. No plan published yet: UNAVAILABLE, UNAVAILABLE_DETAIL.
    2. Empty domain: code UNKNOWN and nothing else, nothing counted.
    3. Of the limits of the domain those whose equality tests all hold are looked at. Conditions are
       evaluated in order, then variables in order; the first that is false, misses a key or index,
       or fails (see `limit_spec.OnError`) ends the limit unless on_error says otherwise. A limit
       counts at most one error per request.
    4. Hits of a limit: those of its home descriptor (`RateLimitRequest.hits`). CheckRateLimit
       looks with Mode.CHECK for room for 1. Report adds with Mode.ADD.
    5. A limit that refuses by on_error makes the answer OVER_LIMIT; the others are then looked at
       with Mode.CHECK and their own hits.
    6. Counters that cannot be held: UNAVAILABLE, UNAVAILABLE_DETAIL.

    Code: ShouldRateLimit and CheckRateLimit OVER_LIMIT if any limit does not fit, else OK;
    Report OK.

    Restrictiveness: ascending (remaining, fits, name or "", digest); False before True, text by
    UTF-8 bytes. The first is the most restrictive.

    Statuses (ShouldRateLimit and CheckRateLimit, with `statuses`): one per descriptor, in order.
    Status i carries the most restrictive of the limits whose home is descriptor i: code OVER_LIMIT
    if that limit does not fit, else OK; its max_value, window, name; remaining; reset. Without such
    a limit: code OK alone.

    Headers (ShouldRateLimit): those of the family, when at least one limit applied, and Retry-After
    when one refuses; `ratelimit/headers.py` tells what each holds.

    Metrics: ShouldRateLimit OK counts authorized_calls 1 and authorized_hits call_hits, OVER_LIMIT
    limited_calls 1 under the name of the most restrictive limit that does not fit ("" if unnamed);
    CheckRateLimit the same without hits; Report authorized_hits call_hits and report_calls 1.
    A domain without configured limits counts under its own name while fewer than
    `max_unknown_domains` were seen, later under the domain None.
    """

    should_rate_limit: NativeHandler
    check_rate_limit: NativeHandler
    report: NativeHandler

    def __init__(
        self,
        plans: Plans,
        counters: CounterTable,
        series: Series,
        *,
        headers: HeaderSpec,
        statuses: bool,
        max_unknown_domains: int = 1000,
        max_labeled_series: int = 0,
    ) -> None: ...

    # How the full lane and the HTTP side count: the same series, under the interpreter lock.
    # labels: as `metric_labels.pack_labels` writes them; None: none are configured.
    def count_authorized(self, domain: str, hits: int | None, labels: bytes | None = None) -> None:
        """authorized_calls + 1 and, unless None, authorized_hits + hits."""

    def count_limited(self, domain: str, limit_name: str, labels: bytes | None = None) -> None: ...
    def count_report(self, domain: str, hits: int, labels: bytes | None = None) -> None: ...
    def count_shadow(self, domain: str, limit_name: str) -> None: ...
    def count_error(self, domain: str, limit_digest: bytes) -> None: ...
    def totals(self) -> dict[tuple[Hashable, ...], int]:
        """Sums by key, without the series of other owners and those with labels.

        Keys: ("authorized_calls", domain), ("authorized_hits", domain), ("report_calls", domain),
        ("limited_calls", domain, limit name), ("limit_errors", domain, limit digest); domain None
        gathers unknown domains past the bound. A series of zero is left out.
        """

    def labeled_totals(self) -> list[tuple[tuple[Hashable, ...], tuple[tuple[str, str], ...], int]]:
        """(key as in `totals`, labels, sum) of every series with labels; at most
        `max_labeled_series`, further ones count in the series without labels."""

MALFORMED: str
TOO_LARGE: str
UNAVAILABLE_DETAIL: str
