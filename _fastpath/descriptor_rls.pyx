"""Native ShouldRateLimit over descriptor trees; descriptor_rls.pyi states the rules of both lanes.

All limits of a request are found before a counter is asked, so deferring leaves no trace. A call
that waits for a store keeps its limit set alone: its limits are found once more when it goes on.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memset, strlen
from libcpp.string cimport string
from libcpp.vector cimport vector

from _fastpath.arena cimport Arena
from _fastpath.cells cimport Cells, Series
from _fastpath.counted cimport drop, retain
from _fastpath.counter_store cimport QUEUED, SETTLED, Begun, Store, read_result
from _fastpath.counters cimport (
    ALIGNED_WINDOW,
    CHECK_AND_ADD,
    NO_ROOM,
    REFUSED,
    CounterHit,
    CounterTable,
    Decision,
    Quota,
    Table,
)
from _fastpath.descriptor_tree cimport (
    STATISTICS_OF_LIMIT,
    DescriptorMatch,
    DescriptorTree,
    LimitFacts,
    configured_statistics,
    descriptor_key,
    match_descriptor,
    near_limit,
    plain_steps,
    statistics_name,
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
from _fastpath.plan cimport Plan, Plans, PlanStore
from _fastpath.rls_answer cimport fail_malformed, fail_too_large
from _fastpath.rls_codec cimport (
    DECODED,
    MALFORMED_REQUEST,
    DecodeResult,
    DescriptorView,
    HeaderView,
    RequestView,
    ResponseView,
    StatusView,
    decode_request,
    encode_current_limit,
    encode_response,
)
from _fastpath.store_batch cimport StoreBatches
from _fastpath.wire cimport TextView, WireWriter

cdef extern from "bounded_names.hpp" namespace "tollhouse" nogil:
    cdef cppclass BoundedNames:
        BoundedNames(uint32_t bound, uint32_t width, vector[uint32_t] ids) except +
        const uint32_t *series(TextView name)
        vector[string] names() except +

cdef extern from "descriptor_rls.hpp" namespace "tollhouse" nogil:
    cdef struct Counted "tollhouse::CountedDescriptor":
        const LimitFacts *facts     # of the limit that counts; NULL where none does
        const uint32_t *series
        CounterHit hit
        uint32_t turn               # how many before it name the same counter
        bint unlimited

    bint take_turns(Counted *counted, uint32_t count, Arena *arena, uint32_t *turns)
    int64_t window_of_unit(int32_t unit)
    bint whole_number(uint64_t number, Arena *arena, TextView *out)


cdef enum Code:
    CODE_OK = 1
    CODE_OVER_LIMIT = 2


cdef enum Event:
    CALLS
    SERVICE_ERRORS
    STORE_ERRORS
    SHADOWED
    EVENTS


cdef enum Tally:
    TOTAL_HITS
    WITHIN_LIMIT
    NEAR_LIMIT
    OVER_LIMIT
    SHADOW_MODE


# What the handler reads; every pointer outlives it.
cdef struct Decider:
    PlanStore *plans
    Table *counters
    Store *store            # NULL: counters are in this process
    Cells *cells
    BoundedNames *statistics
    BoundedNames *unknown
    uint32_t events[4]
    bint headers
    TextView names[3]
    bint shadow
    bint quota
    bint deferring
    bint stop_when_over
    float near_ratio


cdef enum Found:
    READY
    NEEDS_FULL_LANE
    NO_UNIT
    EXHAUSTED


cdef struct Work:
    Decider *decider
    Call *call
    RequestView request
    const LimitSet *limits
    const DescriptorTree *tree
    Counted *counted        # one per descriptor
    uint32_t turns


cdef Outcome refuse(Work *work, Event event, const char *detail) noexcept nogil:
    work.decider.cells.add(work.call.thread, work.decider.events[<int> event], 1)
    work.call.reply.status = 2
    work.call.reply.detail = detail
    work.call.reply.detail_size = strlen(detail)
    return OUTCOME_ANSWER


cdef void set_hits(const RequestView *request, uint32_t index, CounterHit *hit) noexcept nogil:
    cdef const DescriptorView *view = &request.descriptors[index]
    hit.amount = request.hits_addend if request.hits_addend else 1
    if view.has_hits:
        hit.amount = min(view.hits, (<uint64_t> 1 << 63) - 1)
    hit.give_back = view.is_negative and hit.amount != 0


# A limit that came with the request, as facts in the arena.
cdef Found override_facts(
    Work *work, const DescriptorView *view, LimitFacts **out
) noexcept nogil:
    cdef Arena *arena = work.call.arena
    cdef int64_t window_ns = window_of_unit(view.limit.unit)
    cdef WireWriter writer
    cdef TextView nameless
    if not window_ns:
        return NO_UNIT
    if view.limit.unit_multiplier > 1:
        return NEEDS_FULL_LANE
    cdef LimitFacts *facts = <LimitFacts *> arena.take(sizeof(LimitFacts))
    cdef Quota *quota = <Quota *> arena.take(sizeof(Quota))
    if facts == NULL or quota == NULL:
        return EXHAUSTED
    memset(facts, 0, sizeof(LimitFacts))
    quota.algorithm = ALIGNED_WINDOW
    quota.max_value = view.limit.requests_per_unit
    quota.window_ns = window_ns
    quota.burst = 0
    quota.calendar = NULL
    facts.quota = quota
    facts.digest = work.tree.override_digests[view.limit.unit]
    facts.near = near_limit(view.limit.requests_per_unit, work.decider.near_ratio)
    nameless.text = b""
    nameless.size = 0
    writer = WireWriter(arena, 64)
    encode_current_limit(quota.max_value, window_ns, nameless, &writer)
    facts.current_limit.text = <const char *> writer.data()
    facts.current_limit.size = <uint32_t> writer.size()
    if writer.failed or not whole_number(quota.max_value, arena, &facts.max_text):
        return EXHAUSTED
    out[0] = facts
    return READY


# Finds the limit of one descriptor, its counter and its statistics.
cdef Found find_limit(
    Work *work, uint32_t index, DescriptorMatch *match, uint8_t *replaced
) noexcept nogil:
    cdef const DescriptorView *view = &work.request.descriptors[index]
    cdef Counted *counted = &work.counted[index]
    cdef Arena *arena = work.call.arena
    cdef LimitFacts *facts = NULL
    cdef TextView name
    cdef Found found
    cdef size_t i
    if view.limit.present:
        found = override_facts(work, view, &facts)
        if found != READY:
            return found
        if not plain_steps(view[0], arena, match):
            return EXHAUSTED
        counted.facts = facts
    else:
        if not match_descriptor(&work.tree.root, view[0], arena, match):
            return EXHAUSTED
        if match.limit == NULL:
            return READY
        counted.facts = &match.limit.facts
        for i in range(match.limit.replaces.size()):
            replaced[match.limit.replaces[i]] = 1
        if counted.facts.unlimited:
            counted.unlimited = True
            counted.facts = NULL
            return READY
    if match.limit != NULL and configured_statistics(match[0]):
        counted.series = counted.facts.series
    else:
        name = statistics_name(work.request.domain, match[0], arena)
        if name.text == NULL:
            return EXHAUSTED
        counted.series = work.decider.statistics.series(name)
    if not descriptor_key(counted.facts.digest, match[0], arena, &counted.hit):
        return EXHAUSTED
    counted.hit.quota = counted.facts.quota
    counted.hit.binding = work.decider.stop_when_over
    counted.hit.always = not work.decider.stop_when_over
    set_hits(&work.request, index, &counted.hit)
    return READY


cdef Found weigh(Work *work) noexcept nogil:
    cdef uint32_t i, count = work.request.count
    cdef Arena *arena = work.call.arena
    cdef uint8_t *replaced
    cdef DescriptorMatch match
    cdef Found found
    work.counted = <Counted *> arena.take(count * sizeof(Counted))
    if work.counted == NULL:
        return EXHAUSTED
    memset(work.counted, 0, count * sizeof(Counted))
    if work.tree == NULL:
        return READY
    replaced = <uint8_t *> arena.take(work.tree.names + 1)
    if replaced == NULL:
        return EXHAUSTED
    memset(replaced, 0, work.tree.names + 1)
    for i in range(count):
        found = find_limit(work, i, &match, replaced)
        if found != READY:
            return found
    for i in range(count):
        if work.counted[i].facts != NULL and replaced[work.counted[i].facts.name]:
            work.counted[i].facts = NULL
    if not take_turns(work.counted, count, arena, &work.turns):
        return EXHAUSTED
    return READY


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


cdef bint is_over(const Counted *counted) noexcept nogil:
    return counted.facts != NULL and not counted.hit.fits and not counted.facts.shadow


cdef bint in_quota_mode(const Work *work, const Counted *counted) noexcept nogil:
    return work.decider.quota or (counted.facts != NULL and counted.facts.quota_mode)


cdef bint over_limit(const Work *work) noexcept nogil:
    cdef uint32_t i, quotas = 0, over = 0
    cdef const Counted *counted
    for i in range(work.request.count):
        counted = &work.counted[i]
        if counted.unlimited:
            continue
        if not in_quota_mode(work, counted):
            if is_over(counted):
                return True
            continue
        quotas += 1
        over += is_over(counted)
    return quotas > 0 and over == quotas


cdef StatusView *fill_statuses(Work *work) noexcept nogil:
    cdef uint32_t i, count = work.request.count
    cdef StatusView *statuses = <StatusView *> work.call.arena.take(count * sizeof(StatusView))
    cdef const Counted *counted
    cdef int64_t second = 1_000_000_000
    if statuses == NULL:
        return NULL
    memset(statuses, 0, count * sizeof(StatusView))
    for i in range(count):
        counted = &work.counted[i]
        statuses[i].code = CODE_OVER_LIMIT if is_over(counted) else CODE_OK
        if counted.unlimited:
            statuses[i].remaining = 0xffffffff
        if counted.facts == NULL:
            continue
        statuses[i].limit = counted.facts.current_limit
        statuses[i].remaining = counted.hit.remaining if counted.hit.fits else 0
        statuses[i].reset_ns = (counted.hit.reset_ns + second - 1) // second * second
    return statuses


# Of the descriptor that the headers tell; the count stays 0 where none has a limit.
cdef bint fill_headers(
    Work *work, const StatusView *statuses, HeaderView *headers, uint32_t *count
) noexcept nogil:
    cdef uint64_t least = 0xffffffff
    cdef const Counted *counted
    cdef const Counted *shown = NULL
    cdef uint32_t i, at = 0
    for i in range(work.request.count):
        counted = &work.counted[i]
        if counted.facts == NULL:
            continue
        if statuses[i].remaining < least:
            shown, least, at = counted, statuses[i].remaining, i
        if is_over(counted) and not in_quota_mode(work, counted):
            shown, least, at = counted, 0, i
    if shown == NULL:
        return True
    for i in range(3):
        headers[i].key = work.decider.names[i]
    headers[0].value = shown.facts.max_text
    count[0] = 3
    return (
        whole_number(statuses[at].remaining, work.call.arena, &headers[1].value)
        and whole_number(
            <uint64_t> (statuses[at].reset_ns // 1_000_000_000), work.call.arena,
            &headers[2].value)
    )


cdef Outcome answer(Work *work) noexcept nogil:
    cdef ResponseView response
    cdef HeaderView headers[3]
    cdef Call *call = work.call
    cdef WireWriter writer
    memset(&response, 0, sizeof(response))
    response.code = CODE_OVER_LIMIT if over_limit(work) else CODE_OK
    if response.code == CODE_OVER_LIMIT and work.decider.shadow:
        response.code = CODE_OK
        work.decider.cells.add(call.thread, work.decider.events[<int> SHADOWED], 1)
    cdef StatusView *statuses = fill_statuses(work)
    if statuses == NULL:
        return fail_too_large(call)
    response.statuses = statuses
    response.status_count = work.request.count
    response.response_headers = headers
    if work.decider.headers:
        if not fill_headers(work, statuses, headers, &response.response_header_count):
            return fail_too_large(call)
    writer = WireWriter(call.arena, 512)
    encode_response(response, &writer)
    if writer.failed:
        return fail_too_large(call)
    call.reply.status = 0
    call.reply.message = writer.data()
    call.reply.message_size = writer.size()
    return OUTCOME_ANSWER


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


cdef void start(Work *work, Decider *decider, Call *call, const LimitSet *limits) noexcept nogil:
    work.decider = decider
    work.call = call
    work.limits = limits
    work.tree = NULL
    if limits != NULL:
        work.tree = <const DescriptorTree *> limits.tree
    work.turns = 0


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
    return new BoundedNames(bound, width, ids)


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
