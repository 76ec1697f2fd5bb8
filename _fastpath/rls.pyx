"""Native ShouldRateLimit, CheckRateLimit and Report; rls.pyi states the rules both lanes follow.

A request is weighed first (rls_work), all in the call's arena; only then counters are asked and
metrics counted, and the answer is written (rls_answer). So a request that turns out to need the
full lane is deferred without a trace.
"""

from libc.stdint cimport uint32_t, uint64_t
from libcpp.vector cimport vector

from _fastpath.cells cimport Cells, Series
from _fastpath.counters cimport ADD, CHECK, CHECK_AND_ADD, NO_ROOM, CounterHit, CounterTable
from _fastpath.handler cimport OUTCOME_DEFER, Call, NativeHandler, Outcome, native_function
from _fastpath.limit_index cimport Limit, LimitIndex
from _fastpath.plan cimport Plan, Plans
from _fastpath.rls_answer cimport (
    CODE_OK,
    CODE_OVER_LIMIT,
    answer,
    fail_malformed,
    fail_too_large,
    fail_unavailable,
    write_empty,
)
from _fastpath.rls_codec cimport DECODED, MALFORMED_REQUEST, DecodeResult, decode_request
from _fastpath.rls_work cimport (
    CHECK_RATE_LIMIT,
    REPORT,
    SHOULD_RATE_LIMIT,
    Decider,
    Method,
    UnknownDomains,
    Work,
    call_hits,
    weigh_limits,
)
from _fastpath.wire cimport TextView

MALFORMED = "malformed RateLimitRequest"
TOO_LARGE = "too many descriptors or entries"
UNAVAILABLE_DETAIL = "Service unavailable"

cdef extern from "rls.hpp" namespace "tollhouse" nogil:
    void order_by_restriction(
        uint32_t *order, uint32_t count, const CounterHit *hits, const Limit **owners)


# Asks the counters and puts the limits in order; False when a counter cannot be held.
cdef bint charge(Work *work) noexcept nogil:
    cdef uint32_t i
    if work.applied:
        if work.method == REPORT:
            mode = ADD
        elif work.method == CHECK_RATE_LIMIT or work.refusing:
            mode = CHECK
        else:
            mode = CHECK_AND_ADD
        if work.decider.counters.decide(
            work.hits, work.applied, work.call.clock, mode
        ) == NO_ROOM:
            return False
    for i in range(work.applied):
        work.order[i] = i
    for i in range(work.refusing):
        work.order[work.applied + i] = work.capacity - 1 - i
    order_by_restriction(work.order, work.applied + work.refusing, work.hits, work.owners)
    return True


# The most restrictive limit that does not fit, or NULL.
cdef const Limit *exceeded(const Work *work) noexcept nogil:
    cdef uint32_t i
    for i in range(work.applied + work.refusing):
        if not work.hits[work.order[i]].fits:
            return work.owners[work.order[i]]
    return NULL


cdef void count_call(Work *work, const Limit *refused) noexcept nogil:
    cdef Cells *cells = work.decider.cells
    cdef uint32_t thread = work.call.thread
    cdef uint32_t calls, hits, reports, i
    cdef const uint32_t *ids
    for i in range(work.error_count):
        cells.add(thread, work.errors[i], 1)
    if work.limits != NULL:
        calls = work.limits.authorized_calls
        hits = work.limits.authorized_hits
        reports = work.limits.reports
    else:
        ids = work.decider.unknown.series(work.request.domain)
        calls, hits, reports = ids[0], ids[1], ids[2]
    if work.method == REPORT:
        cells.add(thread, reports, 1)
    elif refused != NULL:
        cells.add(thread, refused.limited_series, 1)
        return
    else:
        cells.add(thread, calls, 1)
    if work.method != CHECK_RATE_LIMIT:
        cells.add(thread, hits, call_hits(&work.request))


cdef Outcome decide(Decider *decider, Call *call, Method method) noexcept nogil:
    cdef Work work
    cdef Plan *plan = decider.plans.read(call.thread)
    cdef const Limit *refused = NULL
    cdef DecodeResult decoded = decode_request(
        call.request, call.request_size, call.arena, &work.request)
    if plan != NULL:
        call.generation = plan.generation
    if decoded == MALFORMED_REQUEST:
        return fail_malformed(call)
    if decoded != DECODED:
        return fail_too_large(call)
    if plan == NULL:
        return fail_unavailable(call)
    work.decider = decider
    work.call = call
    work.method = method
    work.limits = NULL
    work.applied = work.refusing = work.capacity = work.error_count = 0
    if not work.request.domain.size:
        return write_empty(call)
    if plan.limits != NULL:
        work.limits = (<const LimitIndex *> plan.limits).find(work.request.domain)
    if work.limits != NULL and not weigh_limits(&work):
        return OUTCOME_DEFER
    if not charge(&work):
        return fail_unavailable(call)
    if method != REPORT:
        refused = exceeded(&work)
    count_call(&work, refused)
    return answer(&work, CODE_OK if refused == NULL else CODE_OVER_LIMIT)


cdef Outcome should_rate_limit(void *state, Call *call) noexcept nogil:
    return decide(<Decider *> state, call, SHOULD_RATE_LIMIT)


cdef Outcome check_rate_limit(void *state, Call *call) noexcept nogil:
    return decide(<Decider *> state, call, CHECK_RATE_LIMIT)


cdef Outcome report(void *state, Call *call) noexcept nogil:
    return decide(<Decider *> state, call, REPORT)


# What keeps the shared pointers alive: every handler owns it.
cdef class DeciderState:
    cdef Decider decider
    cdef tuple owners

    def __dealloc__(self):
        del self.decider.unknown


cdef NativeHandler handler_of(DeciderState state, native_function function, uint32_t thread):
    cdef NativeHandler handler = NativeHandler()
    handler.function = function
    handler.state = &state.decider
    handler.owner = state
    handler.python_thread = thread
    return handler


KINDS = ("authorized_calls", "authorized_hits", "report_calls")


cdef class RateLimitDecider:
    cdef readonly NativeHandler should_rate_limit
    cdef readonly NativeHandler check_rate_limit
    cdef readonly NativeHandler report
    cdef DeciderState state
    cdef Series series
    cdef uint32_t thread
    cdef uint32_t bound

    def __init__(self, Plans plans, CounterTable counters, Series series, *, bint headers,
                 bint statuses, uint32_t max_unknown_domains=1000):
        cdef DeciderState state = DeciderState()
        cdef vector[uint32_t] ids
        for place in range(max_unknown_domains + 1):
            for kind in KINDS:
                ids.push_back(series.id(("unknown_domain", place, kind)))
        state.owners = (plans, counters, series)
        state.decider.plans = plans.store
        state.decider.counters = counters.table
        state.decider.cells = series.cells
        state.decider.unknown = new UnknownDomains(max_unknown_domains, ids)
        state.decider.headers = headers
        state.decider.statuses = statuses
        self.state = state
        self.series = series
        self.thread = plans.threads
        self.bound = max_unknown_domains
        self.should_rate_limit = handler_of(state, should_rate_limit, plans.threads)
        self.check_rate_limit = handler_of(state, check_rate_limit, plans.threads)
        self.report = handler_of(state, report, plans.threads)

    cdef void add(self, str domain, int kind, uint64_t amount) except *:
        known = self.series.ids.get((KINDS[kind], domain))
        cdef bytes name
        cdef TextView view
        if known is None:
            name = domain.encode()
            view.text = name
            view.size = <uint32_t> len(name)
            known = self.state.decider.unknown.series(view)[kind]
        self.series.add(self.thread, known, amount)

    def count_authorized(self, str domain, hits):
        """authorized_calls + 1 and, unless None, authorized_hits + hits."""
        self.add(domain, 0, 1)
        if hits is not None:
            self.add(domain, 1, hits)

    def count_limited(self, str domain, str limit_name):
        self.series.add(self.thread, self.series.id(("limited_calls", domain, limit_name)), 1)

    def count_report(self, str domain, hits):
        self.add(domain, 1, hits)
        self.add(domain, 2, 1)

    def count_error(self, str domain, bytes limit_digest):
        self.series.add(self.thread, self.series.id(("limit_errors", domain, limit_digest)), 1)

    def totals(self):
        """Sums by key, without the series of other owners."""
        names = [name.decode() for name in self.state.decider.unknown.names()]
        sums = {}
        for key, total in self.series.totals().items():
            if not total or not isinstance(key, tuple):
                continue
            if key[0] == "unknown_domain":
                key = (key[2], names[key[1]] if key[1] < len(names) else None)
            elif key[0] not in (*KINDS, "limited_calls", "limit_errors"):
                continue
            sums[key] = sums.get(key, 0) + total
        return sums
