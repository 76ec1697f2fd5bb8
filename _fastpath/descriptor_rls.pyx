"""Native ShouldRateLimit over descriptor trees; descriptor_rls.pyi states the rules of both lanes.

All limits of a request are found before a counter is asked, so deferring leaves no trace. A call
that waits for a store keeps its limit set alone: its limits are found once more when it goes on.
"""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport strlen
from libcpp.vector cimport vector

from _fastpath.bounded_names cimport BoundedNames
from _fastpath.cells cimport Cells, Series
from _fastpath.counted cimport drop, retain
from _fastpath.counter_store cimport QUEUED, SETTLED, Begun, Store, read_result
from _fastpath.counters cimport (
    CHECK_AND_ADD,
    NO_ROOM,
    REFUSED,
    CounterHit,
    CounterTable,
    Decision,
)
from _fastpath.descriptor_answer cimport answer
from _fastpath.descriptor_tree cimport STATISTICS_OF_LIMIT, LimitFacts
from _fastpath.descriptor_work cimport (
    CALLS,
    EXHAUSTED,
    NEEDS_FULL_LANE,
    NO_UNIT,
    READY,
    SERVICE_ERRORS,
    SHADOWED,
    STORE_ERRORS,
    Counted,
    Decider,
    Event,
    Found,
    Work,
    start,
    weigh,
)
from _fastpath.handler cimport (
    OUTCOME_ANSWER,
    OUTCOME_DEFER,
    OUTCOME_SUSPEND,
    Call,
    NativeHandler,
    Outcome,
)
from _fastpath.limit_index cimport LimitIndex, LimitSet
from _fastpath.plan cimport Plan, Plans
from _fastpath.rls_answer cimport fail_malformed, fail_too_large
from _fastpath.rls_codec cimport DECODED, MALFORMED_REQUEST, DecodeResult, decode_request
from _fastpath.store_batch cimport StoreBatches
from _fastpath.wire cimport TextView


cdef enum Tally:
    TOTAL_HITS
    WITHIN_LIMIT
    NEAR_LIMIT
    OVER_LIMIT
    SHADOW_MODE


cdef Outcome refuse(Work *work, Event event, const char *detail) noexcept nogil:
    work.decider.cells.add(work.call.thread, work.decider.events[<int> event], 1)
    work.call.reply.status = 2
    work.call.reply.detail = detail
    work.call.reply.detail_size = strlen(detail)
    return OUTCOME_ANSWER


# What a refused decision left uncharged: charge only what did not fit.
cdef bint charge_over(Work *work, CounterHit *hits, uint32_t count) noexcept nogil:
    cdef uint32_t i
    cdef CounterHit charged
    for i in range(count):
        if hits[i].fits:
            if not hits[i].give_back:
                hits[i].remaining += hits[i].amount
            continue
        charged = hits[i]
        charged.binding = False
        charged.always = True
        if work.decider.counters.decide(
            &charged, 1, work.call.clock, CHECK_AND_ADD
        ) == NO_ROOM:
            return False
        hits[i] = charged
    return True


# The hits of one turn, in order; NULL when the arena is exhausted.
cdef CounterHit *gather(Work *work, uint32_t turn, uint32_t *taken) noexcept nogil:
    cdef uint32_t i
    cdef CounterHit *hits = <CounterHit *> work.call.arena.take(
        work.request.count * sizeof(CounterHit))
    taken[0] = 0
    if hits == NULL:
        return NULL
    for i in range(work.request.count):
        if work.counted[i].facts != NULL and work.counted[i].turn == turn:
            hits[taken[0]] = work.counted[i].hit
            taken[0] += 1
    return hits


cdef void scatter(Work *work, uint32_t turn, const CounterHit *hits) noexcept nogil:
    cdef uint32_t i, taken = 0
    for i in range(work.request.count):
        if work.counted[i].facts != NULL and work.counted[i].turn == turn:
            work.counted[i].hit = hits[taken]
            taken += 1


# Asks the counters of this process, none twice at once; False when one cannot be held.
cdef bint charge(Work *work) noexcept nogil:
    cdef uint32_t turn, taken
    cdef Decision decision
    cdef CounterHit *hits
    for turn in range(work.turns):
        hits = gather(work, turn, &taken)
        if hits == NULL:
            return False
        decision = work.decider.counters.decide(hits, taken, work.call.clock, CHECK_AND_ADD)
        if decision == NO_ROOM:
            return False
        if decision == REFUSED and work.decider.stop_when_over:
            if not charge_over(work, hits, taken):
                return False
        scatter(work, turn, hits)
    return True


# What a call keeps while it waits for the store.
cdef struct Kept:
    Store *store
    uint64_t number         # of the decision, while it waits; 0 afterwards
    LimitSet *limits


cdef void discard(void *place) noexcept nogil:
    cdef Kept *kept = <Kept *> place
    if kept.number:
        kept.store.give_up(kept.number)
    drop(kept.limits)
    free(kept)


# Leaves the decision with the store.
cdef Outcome wait_for_store(Work *work) noexcept nogil:
    cdef Store *store = work.decider.store
    cdef uint32_t taken
    cdef uint64_t number = 0
    cdef Begun begun
    cdef CounterHit *hits = gather(work, 0, &taken)
    cdef Kept *kept = <Kept *> malloc(sizeof(Kept))
    if hits == NULL or kept == NULL:
        free(kept)
        return refuse(work, STORE_ERRORS, b"Service unavailable")
    begun = store.begin(
        hits, taken, CHECK_AND_ADD, work.call.clock, work.call.clock.mono_ns, work.limits.tag,
        work.call.ticket, &number)
    if begun != QUEUED:
        free(kept)
        if begun != SETTLED:
            return refuse(work, STORE_ERRORS, b"Service unavailable")
        scatter(work, 0, hits)
        return conclude(work)
    kept.store = store
    kept.number = number
    kept.limits = <LimitSet *> work.limits
    retain(kept.limits)
    work.call.kept = kept
    work.call.discard = discard
    work.call.resume = resume
    return OUTCOME_SUSPEND


cdef Outcome resume(
    void *state, Call *call, void *place, const uint8_t *result, size_t size
) noexcept nogil:
    cdef Kept *kept = <Kept *> place
    cdef Work work
    cdef uint32_t taken
    cdef CounterHit *hits
    cdef Outcome outcome
    kept.number = 0
    start(&work, <Decider *> state, call, kept.limits)
    if (
        decode_request(call.request, call.request_size, call.arena, &work.request) != DECODED
        or weigh(&work) != READY
    ):
        outcome = fail_too_large(call)
    else:
        hits = gather(&work, 0, &taken)
        if hits != NULL and read_result(<const char *> result, size, hits, taken):
            scatter(&work, 0, hits)
            outcome = conclude(&work)
        else:
            outcome = refuse(&work, STORE_ERRORS, b"Service unavailable")
    discard(kept)
    return outcome


# The statistics of one descriptor: see `tally` of the full lane.
cdef void count_limit(Work *work, const Counted *counted) noexcept nogil:
    cdef Cells *cells = work.decider.cells
    cdef uint32_t thread = work.call.thread
    cdef const LimitFacts *facts = counted.facts
    cdef const uint32_t *series = counted.series
    cdef uint64_t most = facts.quota.max_value
    cdef uint64_t hits = 0 if counted.hit.give_back else counted.hit.amount
    cdef uint64_t after, left, over, before
    if not hits:
        return
    cells.add(thread, series[<int> TOTAL_HITS], hits)
    if counted.hit.fits:
        after = most - counted.hit.remaining if most > counted.hit.remaining else 0
        cells.add(thread, series[<int> WITHIN_LIMIT], hits)
        if after > facts.near:
            cells.add(thread, series[<int> NEAR_LIMIT], min(hits, after - facts.near))
        return
    left = min(counted.hit.remaining, hits)
    before = most - left
    over = hits - left
    cells.add(thread, series[<int> OVER_LIMIT], over)
    if left:
        cells.add(thread, series[<int> NEAR_LIMIT], most - max(facts.near, before))
    if facts.shadow:
        cells.add(thread, series[<int> SHADOW_MODE], over)


cdef void count_request(Work *work) noexcept nogil:
    cdef uint32_t i
    if work.tree == NULL:
        work.decider.cells.add(
            work.call.thread, work.decider.unknown.series(work.request.domain)[0],
            work.request.count)
        return
    for i in range(work.request.count):
        if work.counted[i].facts != NULL:
            count_limit(work, &work.counted[i])


cdef Outcome conclude(Work *work) noexcept nogil:
    count_request(work)
    return answer(work)


cdef Outcome decide_weighed(Work *work, Found found) noexcept nogil:
    cdef Store *store = work.decider.store
    if found == NEEDS_FULL_LANE:
        return OUTCOME_DEFER
    if found == EXHAUSTED:
        return fail_too_large(work.call)
    if found == READY and store != NULL and work.turns and (
        work.turns > 1 or work.decider.stop_when_over or store.splits(work.request.count)
    ):
        return OUTCOME_DEFER    # takes more than one decision
    work.decider.cells.add(work.call.thread, work.decider.events[<int> CALLS], 1)
    if found == NO_UNIT:
        return refuse(work, SERVICE_ERRORS, b"rate limit override has no unit")
    if store != NULL and work.turns:
        return wait_for_store(work)
    if not charge(work):
        return refuse(work, STORE_ERRORS, b"Service unavailable")
    return conclude(work)


cdef Outcome should_rate_limit(void *state, Call *call) noexcept nogil:
    cdef Decider *decider = <Decider *> state
    cdef Work work
    cdef const char *wrong = NULL
    cdef Plan *plan = decider.plans.read(call.thread)
    cdef DecodeResult decoded = decode_request(
        call.request, call.request_size, call.arena, &work.request)
    if plan != NULL:
        call.generation = plan.generation
    if decoded == MALFORMED_REQUEST:
        return fail_malformed(call)
    if decoded != DECODED:
        return fail_too_large(call)
    start(&work, decider, call, NULL)
    if not work.request.domain.size:
        wrong = b"rate limit domain must not be empty"
    elif not work.request.count:
        wrong = b"rate limit descriptor list must not be empty"
    elif plan == NULL or plan.limits == NULL:
        wrong = b"no rate limit configuration loaded"
    if wrong != NULL:
        decider.cells.add(call.thread, decider.events[<int> CALLS], 1)
        return refuse(&work, SERVICE_ERRORS, wrong)
    if decider.deferring:
        return OUTCOME_DEFER
    start(&work, decider, call, (<const LimitIndex *> plan.limits).find(work.request.domain))
    return decide_weighed(&work, weigh(&work))


# What keeps the shared pointers alive: the handler owns it.
cdef class DeciderState:
    cdef Decider decider
    cdef tuple owners

    def __dealloc__(self):
        del self.decider.statistics
        del self.decider.unknown


cdef BoundedNames *bounded_names(
    Series series, str kind, uint32_t bound, uint32_t width
) except NULL:
    cdef vector[uint32_t] ids
    for place in range(bound + 1):
        for i in range(width):
            ids.push_back(series.id((kind, place, i)))
    return new BoundedNames(bound, 1024, width, ids)


cdef TextView text_view(bytes text):
    cdef TextView view
    view.text = text
    view.size = <uint32_t> len(text)
    return view


EVENT_KEYS = (("calls",), ("service_errors",), ("store_errors",), ("shadowed",))


cdef class DescriptorDecider:
    cdef readonly NativeHandler should_rate_limit
    cdef DeciderState state
    cdef Series series
    cdef uint32_t thread

    def __init__(self, Plans plans, CounterTable counters, Series series, *, headers,
                 bint shadow, bint quota, bint metadata, bint stop_when_over, float near_ratio,
                 StoreBatches batches=None, uint32_t max_names=2000):
        cdef DeciderState state = DeciderState()
        cdef Decider *decider = &state.decider
        cdef bytes name
        names = [text.encode() for text in headers or ()]
        state.owners = (plans, counters, series, batches, names)
        decider.plans = plans.store
        decider.counters = counters.table
        decider.store = NULL
        if batches is not None:
            decider.store = batches.store
        decider.cells = series.cells
        decider.statistics = bounded_names(
            series, "descriptor_statistics", max_names, STATISTICS_OF_LIMIT)
        decider.unknown = bounded_names(series, "descriptor_domain", max_names, 1)
        for i, key in enumerate(EVENT_KEYS):
            decider.events[i] = series.id(("descriptor_event", key))
        decider.headers = headers is not None
        for i, name in enumerate(names):
            decider.names[i] = text_view(name)
        decider.shadow = shadow
        decider.quota = quota
        decider.deferring = metadata
        decider.stop_when_over = stop_when_over
        decider.near_ratio = near_ratio
        self.state = state
        self.series = series
        self.thread = plans.threads
        cdef NativeHandler handler = NativeHandler()
        handler.function = should_rate_limit
        handler.state = decider
        handler.owner = state
        handler.python_thread = plans.threads
        self.should_rate_limit = handler

    def count_limit(self, str statistics, amounts):
        """amounts: one per descriptor_spec.STATISTICS."""
        cdef const uint32_t *ids = NULL
        cdef bytes name = statistics.encode()
        ids_of = self.series.ids
        configured = ("descriptor_limit", statistics, 0) in ids_of
        if not configured:
            ids = self.state.decider.statistics.series(text_view(name))
        for i, amount in enumerate(amounts):
            if amount:
                series = ids_of[("descriptor_limit", statistics, i)] if configured else ids[i]
                self.series.add(self.thread, series, amount)

    def count_unknown_domain(self, str domain, descriptors):
        cdef bytes name = domain.encode()
        self.series.add(
            self.thread, self.state.decider.unknown.series(text_view(name))[0], descriptors)

    def count_call(self):
        self.series.add(self.thread, self.state.decider.events[<int> CALLS], 1)

    def count_service_error(self):
        self.series.add(self.thread, self.state.decider.events[<int> SERVICE_ERRORS], 1)

    def count_store_error(self):
        self.series.add(self.thread, self.state.decider.events[<int> STORE_ERRORS], 1)

    def count_shadowed(self):
        """A request that only the global shadow mode let pass."""
        self.series.add(self.thread, self.state.decider.events[<int> SHADOWED], 1)

    def totals(self):
        """Sums by key, without the series of other owners."""
        names = [name.decode() for name in self.state.decider.statistics.names()]
        domains = [name.decode() for name in self.state.decider.unknown.names()]
        sums = {}
        for key, total in self.series.totals().items():
            if not total or not isinstance(key, tuple):
                continue
            if key[0] == "descriptor_event":
                key = key[1]
            elif key[0] == "descriptor_limit":
                key = ("limit", key[1], key[2])
            elif key[0] == "descriptor_statistics":
                key = ("limit", names[key[1]] if key[1] < len(names) else None, key[2])
            elif key[0] == "descriptor_domain":
                key = ("unknown_domain", domains[key[1]] if key[1] < len(domains) else None)
            else:
                continue
            sums[key] = sums.get(key, 0) + total
        return sums
