"""Native ShouldRateLimit, CheckRateLimit and Report; rls.pyi states the rules both lanes follow.

A request is weighed first (rls_work), all in the call's arena; only then counters are asked and
metrics counted, and the answer is written (rls_answer). So a request that turns out to need the
full lane is deferred without a trace.
"""

from libc.stddef cimport size_t
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libcpp.vector cimport vector

from _fastpath.bounded_names cimport BoundedNames
from _fastpath.cells cimport Cells, Series
from _fastpath.counters cimport CounterHit, CounterTable
from _fastpath.handler cimport (
    OUTCOME_DEFER,
    OUTCOME_SUSPEND,
    Call,
    NativeHandler,
    Outcome,
    native_function,
)
from _fastpath.limit_index cimport Limit, LimitIndex
from _fastpath.metric_labels cimport LabelSeries, LabelSet, label_text
from _fastpath.plan cimport Plan, Plans
from _fastpath.rate_limit_headers cimport HeaderSettings, fill_header_settings
from _fastpath.rls_answer cimport (
    answer,
    fail_malformed,
    fail_too_large,
    fail_unavailable,
    write_empty,
)
from _fastpath.rls_codec cimport DECODED, MALFORMED_REQUEST, DecodeResult, decode_request
from _fastpath.rls_wait cimport (
    ASKED_DEFERRED,
    ASKED_FAILED,
    ASKED_WAITS,
    ask_counters,
    discard_work,
    take_up,
)
from _fastpath.rls_work cimport (
    CHECK_RATE_LIMIT,
    REPORT,
    SHOULD_RATE_LIMIT,
    Decider,
    Method,
    Work,
    bind_descriptors,
    call_hits,
    weigh_limits,
)
from _fastpath.store_batch cimport StoreBatches
from _fastpath.wire cimport TextView

from _fastpath.metric_labels import unpack_labels

MALFORMED = "malformed RateLimitRequest"
TOO_LARGE = "too many descriptors or entries"
UNAVAILABLE_DETAIL = "Service unavailable"

cdef extern from "rls.hpp" namespace "tollhouse" nogil:
    void order_by_restriction(
        uint32_t *order, uint32_t count, const CounterHit *hits, const Limit **owners)


# Puts the limits in order, the most restrictive first.
cdef void put_in_order(Work *work) noexcept nogil:
    cdef uint32_t i
    for i in range(work.applied):
        work.order[i] = i
    for i in range(work.refusing):
        work.order[work.applied + i] = work.capacity - 1 - i
    order_by_restriction(work.order, work.applied + work.refusing, work.hits, work.owners)


# The most restrictive limit that refuses, or NULL.
cdef const Limit *exceeded(const Work *work) noexcept nogil:
    cdef uint32_t i
    for i in range(work.applied + work.refusing):
        if not work.hits[work.order[i]].fits and work.owners[work.order[i]].binding():
            return work.owners[work.order[i]]
    return NULL


# The series that counts for `base`: its own under the request's labels where there are any.
cdef uint32_t labeled(Work *work, uint32_t base, TextView labels) noexcept nogil:
    if labels.text == NULL:
        return base
    return work.decider.labeled.series(base, labels)


# What each limit had to do with the call.
cdef void count_limits(Work *work) noexcept nogil:
    cdef Cells *cells = work.decider.cells
    cdef uint32_t thread = work.call.thread
    cdef const Limit *limit
    cdef uint32_t i
    for i in range(work.applied):
        limit = work.owners[i]
        cells.add(thread, limit.call_series, 1)
        if work.hits[i].fits:
            continue
        if limit.shadow:
            cells.add(thread, limit.shadow_series, 1)
        elif limit.binding():
            cells.add(thread, limit.refused_series, 1)
    for i in range(work.capacity - work.refusing, work.capacity):
        cells.add(thread, work.owners[i].call_series, 1)
        cells.add(thread, work.owners[i].refused_series, 1)


cdef void count_call(Work *work, const Limit *refused) noexcept nogil:
    cdef Cells *cells = work.decider.cells
    cdef uint32_t thread = work.call.thread
    cdef uint32_t calls, hits, reports, i
    cdef const uint32_t *ids
    cdef TextView labels
    for i in range(work.noted_count):
        cells.add(thread, work.noted[i], 1)
    if work.method != REPORT:
        count_limits(work)
    labels.text = NULL
    labels.size = 0
    if work.labels != NULL and bind_descriptors(work):
        labels = label_text(work.labels, &work.evaluation)
    if work.limits != NULL:
        calls = work.limits.authorized_calls
        hits = work.limits.authorized_hits
        reports = work.limits.reports
    else:
        ids = work.decider.unknown.series(work.request.domain)
        calls, hits, reports = ids[0], ids[1], ids[2]
    if work.method == REPORT:
        cells.add(thread, labeled(work, reports, labels), 1)
    elif refused != NULL:
        cells.add(thread, labeled(work, refused.limited_series, labels), 1)
        return
    else:
        cells.add(thread, labeled(work, calls, labels), 1)
    if work.method != CHECK_RATE_LIMIT:
        cells.add(thread, labeled(work, hits, labels), call_hits(&work.request))


cdef Outcome decide(Decider *decider, Call *call, Method method) noexcept nogil:
    cdef Work work
    cdef Plan *plan = decider.plans.read(call.thread)
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
    work.plan = plan
    work.limits = NULL
    work.labels = <const LabelSet *> plan.labels
    work.bound = False
    work.applied = work.refusing = work.capacity = work.noted_count = 0
    if not work.request.domain.size:
        return write_empty(call)
    if work.labels != NULL and not work.labels.native:
        return OUTCOME_DEFER
    if plan.limits != NULL:
        work.limits = (<const LimitIndex *> plan.limits).find(work.request.domain)
    if work.limits != NULL and not weigh_limits(&work):
        return OUTCOME_DEFER
    asked = ask_counters(&work)
    if asked == ASKED_WAITS:
        call.resume = resume
        return OUTCOME_SUSPEND
    if asked == ASKED_DEFERRED:
        return OUTCOME_DEFER
    if asked == ASKED_FAILED:
        return fail_unavailable(call)
    return conclude(&work)


# Counts the call and answers, once its hits are decided.
cdef Outcome conclude(Work *work) noexcept nogil:
    cdef const Limit *refused = NULL
    put_in_order(work)
    if work.method != REPORT:
        refused = exceeded(work)
    count_call(work, refused)
    return answer(work, refused)


cdef Outcome resume(
    void *state, Call *call, void *kept, const uint8_t *result, size_t size
) noexcept nogil:
    cdef Work work
    cdef Outcome outcome
    if take_up(&work, <Decider *> state, call, kept, result, size):
        outcome = conclude(&work)
    else:
        outcome = fail_unavailable(call)
    discard_work(kept)
    return outcome


cdef Outcome should_rate_limit(void *state, Call *call) noexcept nogil:
    return decide(<Decider *> state, call, SHOULD_RATE_LIMIT)


cdef Outcome check_rate_limit(void *state, Call *call) noexcept nogil:
    return decide(<Decider *> state, call, CHECK_RATE_LIMIT)


cdef Outcome report(void *state, Call *call) noexcept nogil:
    return decide(<Decider *> state, call, REPORT)


# What keeps the shared pointers alive: every handler owns it.
cdef class DeciderState:
    cdef Decider decider
    cdef HeaderSettings headers
    cdef tuple owners

    def __dealloc__(self):
        del self.decider.unknown
        del self.decider.labeled


cdef NativeHandler handler_of(DeciderState state, native_function function, uint32_t thread):
    cdef NativeHandler handler = NativeHandler()
    handler.function = function
    handler.state = &state.decider
    handler.owner = state
    handler.python_thread = thread
    return handler


KINDS = ("authorized_calls", "authorized_hits", "report_calls")
OF_LIMITS = ("limited_calls", "limit_errors", "ratelimit_shadow_refused")


cdef class RateLimitDecider:
    cdef readonly NativeHandler should_rate_limit
    cdef readonly NativeHandler check_rate_limit
    cdef readonly NativeHandler report
    cdef DeciderState state
    cdef Series series
    cdef uint32_t thread
    cdef uint32_t bound

    def __init__(self, Plans plans, CounterTable counters, Series series, *, headers,
                 bint statuses, uint32_t max_unknown_domains=1000,
                 uint32_t max_labeled_series=0, StoreBatches batches=None):
        cdef DeciderState state = DeciderState()
        cdef vector[uint32_t] ids, labeled_ids
        for place in range(max_unknown_domains + 1):
            for kind in KINDS:
                ids.push_back(series.id(("unknown_domain", place, kind)))
        for place in range(max_labeled_series):
            labeled_ids.push_back(series.id(("labeled", place)))
        state.owners = (plans, counters, series, batches)
        state.decider.plans = plans.store
        state.decider.counters = counters.table
        state.decider.store = NULL
        if batches is not None:
            state.decider.store = batches.store
        state.decider.cells = series.cells
        state.decider.unknown = new BoundedNames(max_unknown_domains, 255, 3, ids)
        state.decider.labeled = new LabelSeries(labeled_ids)
        fill_header_settings(&state.headers, headers)
        if headers.family or headers.retry_after:
            state.decider.headers = &state.headers
        state.decider.statuses = statuses
        self.state = state
        self.series = series
        self.thread = plans.threads
        self.bound = max_unknown_domains
        self.should_rate_limit = handler_of(state, should_rate_limit, plans.threads)
        self.check_rate_limit = handler_of(state, check_rate_limit, plans.threads)
        self.report = handler_of(state, report, plans.threads)

    cdef uint32_t base(self, str domain, int kind) except *:
        known = self.series.ids.get((KINDS[kind], domain))
        cdef bytes name
        cdef TextView view
        if known is not None:
            return known
        name = domain.encode()
        view.text = name
        view.size = <uint32_t> len(name)
        return self.state.decider.unknown.series(view)[kind]

    cdef void add(self, uint32_t base, uint64_t amount, bytes labels) except *:
        cdef TextView view
        if labels is not None:
            view.text = labels
            view.size = <uint32_t> len(labels)
            base = self.state.decider.labeled.series(base, view)
        self.series.add(self.thread, base, amount)

    def count_authorized(self, str domain, hits, bytes labels=None):
        """authorized_calls + 1 and, unless None, authorized_hits + hits."""
        self.add(self.base(domain, 0), 1, labels)
        if hits is not None:
            self.add(self.base(domain, 1), hits, labels)

    def count_limited(self, str domain, str limit_name, bytes labels=None):
        self.add(self.series.id(("limited_calls", domain, limit_name)), 1, labels)

    def count_report(self, str domain, hits, bytes labels=None):
        self.add(self.base(domain, 1), hits, labels)
        self.add(self.base(domain, 2), 1, labels)

    def count_shadow(self, str domain, str limit_name):
        self.add(self.series.id(("ratelimit_shadow_refused", domain, limit_name)), 1, None)

    def count_limit(self, str domain, str limit_name, *, refused):
        self.add(self.series.id(("ratelimit_limit_calls", domain, limit_name)), 1, None)
        if refused:
            self.add(self.series.id(("ratelimit_limit_refused", domain, limit_name)), 1, None)

    def count_error(self, str domain, bytes limit_digest):
        self.series.add(self.thread, self.series.id(("limit_errors", domain, limit_digest)), 1)

    def totals(self):
        """Sums by key, without the series of other owners and those with labels."""
        names = [name.decode() for name in self.state.decider.unknown.names()]
        sums = {}
        for key, total in self.series.totals().items():
            own = own_key(key, names)
            if total and own is not None:
                sums[own] = sums.get(own, 0) + total
        return sums

    def limit_totals(self):
        """Sums of what single limits did, by key."""
        sums = self.series.totals()
        return {key: sum_ for key, sum_ in sums.items() if sum_ and of_one_limit(key)}

    def labeled_totals(self):
        """(key, labels, sum) of every series that has labels."""
        names = [name.decode() for name in self.state.decider.unknown.names()]
        cdef vector[LabelSeries.Entry] entries = self.state.decider.labeled.entries()
        keys = {number: key for key, number in self.series.ids.items()} if entries.size() else {}
        found = []
        cdef size_t i
        for i in range(entries.size()):
            own = own_key(keys[entries[i].base], names)
            total = self.series.cells.sum(entries[i].series)
            if total and own is not None:
                found.append((own, unpack_labels(entries[i].labels), total))
        return found


cdef bint of_one_limit(object key):
    return isinstance(key, tuple) and key[0] in ("ratelimit_limit_calls", "ratelimit_limit_refused")


# The key under which a series is told: that of a domain in the place of its number; None for
# series of other owners.
cdef object own_key(object key, list names):
    if not isinstance(key, tuple):
        return None
    if key[0] == "unknown_domain":
        return (key[2], names[key[1]] if key[1] < len(names) else None)
    return key if key[0] in (*KINDS, *OF_LIMITS) else None
