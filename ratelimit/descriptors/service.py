"""Envoy's rate limit service over descriptor trees, as envoyproxy/ratelimit answers.

ShouldRateLimit has a native handler and, for what that defers, the full lane here. Both answer the
same bytes and count in the same series; `_fastpath/descriptor_rls.pyi` states the rules.
"""

from _fastpath.cells import Series
from _fastpath.clock import Clock
from _fastpath.counters import CounterTable
from _fastpath.descriptor_rls import DescriptorDecider
from _fastpath.errors import WireError
from _fastpath.plan import Plans
from _fastpath.rls import MALFORMED, TOO_LARGE, UNAVAILABLE_DETAIL
from _fastpath.rls_codec import decode_rate_limit_request, encode_rate_limit_response
from _fastpath.rls_message import RateLimitRequest
from _fastpath.rpc import Context, Method, RpcError, Status, UnaryMethod
from _fastpath.store_batch import StoreBatches
from ratelimit.descriptors.active_domains import ActiveDomains
from ratelimit.descriptors.answering import answer
from ratelimit.descriptors.charging import charge
from ratelimit.descriptors.errors import (
    NO_CONFIGURATION,
    NO_DESCRIPTORS,
    NO_DOMAIN,
    RequestRefused,
)
from ratelimit.descriptors.options import DescriptorOptions
from ratelimit.descriptors.statistics import tally
from ratelimit.descriptors.weighing import weigh
from ratelimit.errors import StoreUnavailable
from ratelimit.store import CounterStore

METHOD = "/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit"


class DescriptorService:
    """batches: where the native handler leaves decisions when the counters are not in `table`.
    max_names: names of statistics that requests make, and unknown domains, told apart."""

    def __init__(
        self,
        active: ActiveDomains,
        plans: Plans,
        table: CounterTable,
        store: CounterStore,
        series: Series,
        options: DescriptorOptions,
        *,
        batches: StoreBatches | None = None,
        max_names: int = 2000,
    ) -> None:
        self.active = active
        self._store = store
        self._options = options
        names = options.headers
        self.decider = DescriptorDecider(
            plans,
            table,
            series,
            headers=(names.limit, names.remaining, names.reset) if names else None,
            shadow=options.shadow,
            quota=options.quota,
            metadata=options.metadata,
            stop_when_over=options.stop_when_over,
            near_ratio=options.near_ratio,
            batches=batches,
            max_names=max_names,
        )

    def methods(self) -> list[Method]:
        return [UnaryMethod(METHOD, self.should, self.decider.should_rate_limit)]

    async def should(self, data: bytes, context: Context) -> bytes:
        return await self.decide(
            _decode(data), Clock(context.mono_ns, context.wall_ns), context.generation
        )

    async def decide(self, request: RateLimitRequest, clock: Clock, generation: int = 0) -> bytes:
        """The encoded answer. Raises RpcError, UNKNOWN as the original gives it."""
        self.decider.count_call()
        try:
            return await self._decide(request, clock, generation)
        except RequestRefused as error:
            self.decider.count_service_error()
            raise RpcError(Status.UNKNOWN, str(error)) from error
        except StoreUnavailable as error:
            self.decider.count_store_error()
            raise RpcError(Status.UNKNOWN, UNAVAILABLE_DETAIL) from error

    async def _decide(self, request: RateLimitRequest, clock: Clock, generation: int) -> bytes:
        for holds, complaint in (
            (request.domain, NO_DOMAIN),
            (request.descriptors, NO_DESCRIPTORS),
            (self.active.loaded, NO_CONFIGURATION),
        ):
            if not holds:
                raise RequestRefused(complaint)
        options = self._options
        domain = self.active.at(generation).by_name.get(request.domain)
        weighed = weigh(domain, request)
        verdicts = await charge(
            request.domain, weighed, self._store, clock, stop=options.stop_when_over
        )
        if domain is None:
            self.decider.count_unknown_domain(request.domain, len(weighed))
        for each, verdict in zip(weighed, verdicts, strict=True):
            if each.match is not None:
                amounts = tally(each, verdict, options.near_ratio).by_statistic()
                self.decider.count_limit(each.match.statistics, amounts)
        found = answer(request, weighed, verdicts, options)
        if found.shadowed:
            self.decider.count_shadowed()
        return encode_rate_limit_response(found.response)


def _decode(data: bytes) -> RateLimitRequest:
    try:
        return decode_rate_limit_request(data)
    except WireError as error:
        if error.too_large:
            raise RpcError(Status.RESOURCE_EXHAUSTED, TOO_LARGE) from error
        raise RpcError(Status.INTERNAL, MALFORMED) from error
