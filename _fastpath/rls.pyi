"""Native ShouldRateLimit, CheckRateLimit and Report."""

from collections.abc import Hashable

from _fastpath.cells import Series
from _fastpath.counters import CounterTable
from _fastpath.handler import NativeHandler
from _fastpath.header_spec import HeaderSpec
from _fastpath.plan import Plans
from _fastpath.store_batch import StoreBatches

class RateLimitDecider:
    """Decides rate limit requests against the published plan, byte for byte as the full lane does.

    All three methods, in this order:

    1. Bytes that protobuf refuses: INTERNAL, MALFORMED. Past the bounds of rls_codec:
       RESOURCE_EXHAUSTED, TOO_LARGE. No plan published yet: UNAVAILABLE, UNAVAILABLE_DETAIL.
    2. Empty domain: code UNKNOWN and nothing else, nothing counted.
    3. Of the limits of the domain those whose equality tests all hold are looked at. Conditions are
       evaluated in order, then variables in order, then the cost; the first that is false, misses
       a key or index, or fails (see `limit_spec.OnError`) ends the limit unless on_error says
       otherwise. A limit counts at most one error per request.
    4. Hits of a limit: those of its home descriptor (`RateLimitRequest.hits`), 1 for
       CheckRateLimit; or what its cost makes of them, at least -(2^63 - 1). CheckRateLimit looks
       for room for them with Mode.CHECK, Report adds with Mode.ADD; to a concurrency limit with
       the sign turned, so that it gives back.
    5. A limit that refuses by on_error makes the answer OVER_LIMIT; the others are then looked at
       with Mode.CHECK and their own hits. A shadow or an unlimited limit does not apply instead.
    6. Counters that cannot be held: UNAVAILABLE, UNAVAILABLE_DETAIL.

    A limit refuses when it does not fit and is neither a shadow nor unlimited.

    Code: ShouldRateLimit and CheckRateLimit OVER_LIMIT if any limit refuses, else OK; Report OK.

    Restrictiveness: limits that refuse, in descending priority; then those that fit; shadows;
    unlimited ones. Among equals ascending (remaining, name or "", digest), text by UTF-8 bytes. The
    first is the most restrictive.

    Statuses (ShouldRateLimit and CheckRateLimit, with `statuses`): one per descriptor, in order.
    Of the limits whose home is descriptor i: code OVER_LIMIT if one refuses, else OK; and of the
    most restrictive with `headers` its max_value, window, name; remaining; reset. Of an unlimited
    one only remaining, 2^32 - 1. Without such a limit the code alone.

    Headers (ShouldRateLimit): those of the family, of the limits with `headers`, and Retry-After
    when one refuses; `ratelimit/headers.py` tells what each holds.

    Refusal (ShouldRateLimit and CheckRateLimit): of the most restrictive limit that refuses its
    body, its headers behind the others, and its metadata.

    Metrics: ShouldRateLimit OK counts authorized_calls 1 and authorized_hits call_hits, OVER_LIMIT
    limited_calls 1 under the name of the most restrictive limit that refuses ("" if unnamed);
    CheckRateLimit the same without hits; Report authorized_hits call_hits and report_calls 1.
    Both count ratelimit_shadow_refused 1 for each shadow that does not fit, or fails with REFUSE.
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
        batches: StoreBatches | None = None,
    ) -> None: ...

    # How the full lane and the HTTP side count: the same series, under the interpreter lock.
    # labels: as `metric_labels.pack_labels` writes them; None: none are configured.
    def count_authorized(self, domain: str, hits: int | None, labels: bytes | None = None) -> None:
        """authorized_calls + 1 and, unless None, authorized_hits + hits."""

    def count_limited(self, domain: str, limit_name: str, labels: bytes | None = None) -> None: ...
    def count_report(self, domain: str, hits: int, labels: bytes | None = None) -> None: ...
    def count_shadow(self, domain: str, limit_name: str) -> None: ...
    def count_limit(self, domain: str, limit_name: str, *, refused: bool) -> None: ...
    def count_error(self, domain: str, limit_digest: bytes) -> None: ...
    def totals(self) -> dict[tuple[Hashable, ...], int]:
        """Sums by key, without the series of other owners and those with labels.

        Keys: ("authorized_calls", domain), ("authorized_hits", domain), ("report_calls", domain),
        ("limited_calls", domain, limit name), ("limit_errors", domain, limit digest),
          ("ratelimit_shadow_refused", domain, limit name); domain None
        gathers unknown domains past the bound. A series of zero is left out.
        """

    def limit_totals(self) -> dict[tuple[str, str, str], int]:
        """Sums by ("ratelimit_limit_calls" or "ratelimit_limit_refused", domain, limit name): calls
        of ShouldRateLimit and CheckRateLimit that the limit applied to, and those among them that
        it refused, alone or with others. A limit's name is "" if it has none."""

    def labeled_totals(self) -> list[tuple[tuple[Hashable, ...], tuple[tuple[str, str], ...], int]]:
        """(key as in `totals`, labels, sum) of every series with labels; at most
        `max_labeled_series`, further ones count in the series without labels."""

MALFORMED: str
TOO_LARGE: str
UNAVAILABLE_DETAIL: str
