"""The rate limit services over gRPC: Envoy's ShouldRateLimit, Kuadrant's CheckRateLimit and Report.

Each method has a native handler and, for what that defers, the full lane here. Both answer the same
bytes and count in the same series; `_fastpath/rls.pyi` states the rules.
"""

from collections.abc import Sequence

from _fastpath.cells import Series
from _fastpath.clock import Clock
from _fastpath.counters import CounterTable, Mode
from _fastpath.errors import WireError
from _fastpath.header_spec import NO_HEADERS, HeaderSpec
from _fastpath.plan import Plans
from _fastpath.rls import MALFORMED, TOO_LARGE, UNAVAILABLE_DETAIL, RateLimitDecider
from _fastpath.rls_codec import decode_rate_limit_request, encode_rate_limit_response
from _fastpath.rls_message import Code, RateLimitRequest, RateLimitResponse
from _fastpath.rpc import Context, Method, RpcError, Status, UnaryMethod
from _fastpath.store_batch import StoreBatches
from ratelimit.active_limits import ActiveLimits
from ratelimit.decision import Decision, decide
from ratelimit.errors import StoreUnavailable
from ratelimit.metric_labels import ActiveLabels
from ratelimit.selection import Entries
from ratelimit.store import CounterStore

ENVOY = "envoy.service.ratelimit.v3.RateLimitService"
KUADRANT = "kuadrant.service.ratelimit.v1.RateLimitService"
_UNKNOWN = encode_rate_limit_response(RateLimitResponse(Code.UNKNOWN))


MAX_LABELED_SERIES = 10_000  # of the request counters; past it they are told as "other"


class RateLimitService:
    """labels: the operator's, on the request counters; None: none, for the life of the process.
    counters: what the native lane asks; store: what the full lane does, over the same counters.
    batches: where both lanes leave decisions over counters outside this process.
    headers: of answers to ShouldRateLimit. statuses: one per descriptor, which lets Envoy
    write its own headers; Limitador sends none."""

    def __init__(
        self,
        active: ActiveLimits,
        plans: Plans,
        counters: CounterTable,
        store: CounterStore,
        series: Series,
        *,
        headers: HeaderSpec,
        statuses: bool = True,
        labels: ActiveLabels | None = None,
        batches: StoreBatches | None = None,
    ) -> None:
        self.active = active
        self.labels = labels
        self.counters = counters
        self.store = store
        self.decider = RateLimitDecider(
            plans,
            counters,
            series,
            headers=headers,
            statuses=statuses,
            max_labeled_series=MAX_LABELED_SERIES if labels else 0,
            batches=batches,
        )
        self._headers = headers
        self._statuses = statuses

    def methods(self) -> list[Method]:
        decider = self.decider
        return [
            UnaryMethod(f"/{ENVOY}/ShouldRateLimit", self.should, decider.should_rate_limit),
            UnaryMethod(f"/{KUADRANT}/CheckRateLimit", self.check, decider.check_rate_limit),
            UnaryMethod(f"/{KUADRANT}/Report", self.report, decider.report),
        ]

    async def should(self, data: bytes, context: Context) -> bytes:
        request = decode(data)
        if not request.domain:
            return _UNKNOWN
        descriptors = entries(request)
        decision = await self._decide(request, descriptors, Mode.CHECK_AND_ADD, context)
        self.count_call(request.domain, descriptors, decision, request.call_hits())
        return self._answer(request, decision, headers=self._headers)

    async def check(self, data: bytes, context: Context) -> bytes:
        request = decode(data)
        if not request.domain:
            return _UNKNOWN
        descriptors = entries(request)
        decision = await self._decide(request, descriptors, Mode.CHECK, context)
        self.count_call(request.domain, descriptors, decision, None)
        return self._answer(request, decision, headers=NO_HEADERS)

    async def report(self, data: bytes, context: Context) -> bytes:
        request = decode(data)
        if not request.domain:
            return _UNKNOWN
        descriptors = entries(request)
        await self._decide(request, descriptors, Mode.ADD, context)
        self.count_report(request.domain, descriptors, request.call_hits())
        return encode_rate_limit_response(RateLimitResponse(Code.OK))

    def count_call(
        self, domain: str, descriptors: Sequence[Entries], decision: Decision, hits: int | None
    ) -> None:
        """Count a call that was decided; `hits` None counts the call alone."""
        for outcome in decision.outcomes:
            name = outcome.limit.limit.name or ""
            self.decider.count_limit(domain, name, refused=outcome.refuses)
        labels = self._labels_of(descriptors)
        if decision.over_limit:
            self.decider.count_limited(domain, decision.limited_by, labels)
        else:
            self.decider.count_authorized(domain, hits, labels)

    def count_report(self, domain: str, descriptors: Sequence[Entries], hits: int) -> None:
        self.decider.count_report(domain, hits, self._labels_of(descriptors))

    def _labels_of(self, descriptors: Sequence[Entries]) -> bytes | None:
        return None if self.labels is None else self.labels.current.packed(descriptors)

    def count_failures(self, domain: str, decision: Decision) -> None:
        for limit in decision.failed:
            self.decider.count_error(domain, limit.limit.digest)
        for limit in decision.shadowed:
            self.decider.count_shadow(domain, limit.limit.name or "")

    async def _decide(
        self,
        request: RateLimitRequest,
        descriptors: Sequence[Entries],
        mode: Mode,
        context: Context,
    ) -> Decision:
        limits = self.active.at(context.generation).candidates(request.domain, descriptors)
        hits = (lambda _: 1) if mode is Mode.CHECK else request.hits
        try:
            clock = Clock(context.mono_ns, context.wall_ns)
            decision = await decide(limits, descriptors, hits, mode, self.store, clock)
        except StoreUnavailable as error:
            raise RpcError(Status.UNAVAILABLE, UNAVAILABLE_DETAIL) from error
        self.count_failures(request.domain, decision)
        return decision

    def _answer(
        self, request: RateLimitRequest, decision: Decision, *, headers: HeaderSpec
    ) -> bytes:
        response = decision.response(
            len(request.descriptors), headers=headers, statuses=self._statuses
        )
        return encode_rate_limit_response(response)


def entries(request: RateLimitRequest) -> list[Entries]:
    return [dict(descriptor.entries) for descriptor in request.descriptors]


def decode(data: bytes) -> RateLimitRequest:
    try:
        return decode_rate_limit_request(data)
    except WireError as error:
        if error.too_large:
            raise RpcError(Status.RESOURCE_EXHAUSTED, TOO_LARGE) from error
        raise RpcError(Status.INTERNAL, MALFORMED) from error
