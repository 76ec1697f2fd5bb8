"""Native ShouldRateLimit, CheckRateLimit and Report; rls.pyi states the rules both lanes follow.

A request is decoded into views, the limits that could apply are collected and their expressions
evaluated, all in the call's arena; only then counters are asked and metrics counted. So a request
that turns out to need the full lane is deferred without a trace.
"""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, strlen
from libcpp.string cimport string
from libcpp.vector cimport vector

from _fastpath.arena cimport Arena
from _fastpath.cells cimport Cells, Series
from _fastpath.counters cimport (
    ADD,
    CHECK,
    CHECK_AND_ADD,
    DIGEST_SIZE,
    NO_ROOM,
    CounterHit,
    CounterTable,
    Table,
    key_value_size,
    write_key_value,
)
from _fastpath.handler cimport (
    OUTCOME_ANSWER,
    OUTCOME_DEFER,
    Call,
    NativeHandler,
    Outcome,
    native_function,
)
from _fastpath.limit_index cimport (
    ON_ERROR_REFUSE,
    ON_ERROR_SKIP,
    Limit,
    LimitIndex,
    LimitSet,
    seal_request,
)
from _fastpath.plan cimport Plan, Plans, PlanStore
from _fastpath.program cimport Evaluation, Program, evaluate
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
    encode_response,
)
from _fastpath.text cimport key_text
from _fastpath.value cimport (
    BOOL,
    ERROR,
    INDEX_OUT_OF_RANGE,
    NO_SUCH_KEY,
    OUT_OF_MEMORY,
    STRING,
    Value,
    absent_value,
    list_value,
    map_value,
    string_value,
)
from _fastpath.wire cimport TextView, WireWriter

MALFORMED = "malformed RateLimitRequest"
TOO_LARGE = "too many descriptors or entries"
UNAVAILABLE_DETAIL = "Service unavailable"

cdef const char *MALFORMED_TEXT = b"malformed RateLimitRequest"
cdef const char *TOO_LARGE_TEXT = b"too many descriptors or entries"
cdef const char *UNAVAILABLE_TEXT = b"Service unavailable"

cdef extern from "rls.hpp" namespace "tollhouse" nogil:
    void order_by_restriction(
        uint32_t *order, uint32_t count, const CounterHit *hits, const Limit **owners)
    bint draft03_headers(const uint32_t *order, uint32_t count, const CounterHit *hits,
                         const Limit **owners, Arena *arena, HeaderView *headers)

    cdef cppclass UnknownDomains:
        UnknownDomains(uint32_t bound, vector[uint32_t] ids) except +
        const uint32_t *series(TextView domain)
        vector[string] names() except +


cdef enum Status:
    RESOURCE_EXHAUSTED = 8
    INTERNAL = 13
    UNAVAILABLE = 14


cdef enum Code:
    CODE_UNKNOWN = 0
    CODE_OK = 1
    CODE_OVER_LIMIT = 2


cdef enum Method:
    SHOULD_RATE_LIMIT
    CHECK_RATE_LIMIT
    REPORT


# What the handlers share; every pointer outlives them.
cdef struct Decider:
    PlanStore *plans
    Table *counters
    Cells *cells
    UnknownDomains *unknown
    bint headers
    bint statuses


cdef struct Roots:
    Value descriptors
    const Limit *limit


# One request. Limits that apply stand in hits and owners from the front, those that refuse by
# on_error from the back; order holds the positions of both.
cdef struct Work:
    Decider *decider
    Call *call
    Method method
    RequestView request
    const LimitSet *limits
    Roots roots
    Evaluation evaluation
    CounterHit *hits
    const Limit **owners
    uint32_t capacity
    uint32_t applied
    uint32_t refusing
    uint32_t *order
    uint32_t *errors        # error series of failed limits
    uint32_t error_count


cdef enum Applies:
    APPLIES
    APPLIES_NOT
    REFUSES
    UNDECIDED               # needs the full lane


cdef Outcome fail(Call *call, Status status, const char *detail) noexcept nogil:
    call.reply.status = status
    call.reply.detail = detail
    call.reply.detail_size = strlen(detail)
    return OUTCOME_ANSWER


cdef Value root_of(void *state, uint32_t slot) noexcept nogil:
    cdef Roots *roots = <Roots *> state
    if slot == 0:
        return roots.descriptors
    if slot == 1:
        return roots.limit.root
    return absent_value()


# The variable `descriptors`: a list of maps over the request's own bytes.
cdef bint bind_descriptors(Work *work) noexcept nogil:
    cdef Value *items = <Value *> work.call.arena.take((work.request.count + 1) * sizeof(Value))
    if items == NULL:
        return False
    cdef uint32_t i
    cdef DescriptorView *view
    for i in range(work.request.count):
        view = &work.request.descriptors[i]
        items[i] = map_value(view.entries, view.count, view.count > 8)
    work.roots.descriptors = list_value(items, work.request.count)
    work.evaluation.arena = work.call.arena
    work.evaluation.root = root_of
    work.evaluation.state = &work.roots
    return True


cdef bint is_absence(Value result) noexcept nogil:
    return result.kind == ERROR and result.code in (NO_SUCH_KEY, INDEX_OUT_OF_RANGE)


cdef Applies on_failure(const Limit *limit) noexcept nogil:
    if limit.on_error == ON_ERROR_SKIP:
        return APPLIES_NOT
    return REFUSES if limit.on_error == ON_ERROR_REFUSE else APPLIES


cdef Applies conditions_hold(Work *work, const Limit *limit, bint *failed) noexcept nogil:
    cdef size_t i
    cdef Value result
    cdef Applies then
    for i in range(limit.conditions.size()):
        if limit.conditions[i] == NULL:
            return UNDECIDED
        result = evaluate(<const Program *> limit.conditions[i], &work.evaluation)
        if result.kind == BOOL:
            if not result.boolean:
                return APPLIES_NOT
            continue
        if is_absence(result):
            return APPLIES_NOT
        if result.kind == ERROR and result.code == OUT_OF_MEMORY:
            return UNDECIDED
        failed[0] = True
        then = on_failure(limit)
        if then != APPLIES:
            return then
    return APPLIES


# Evaluates the variables and writes the counter's key into the arena.
cdef Applies build_key(
    Work *work, const Limit *limit, CounterHit *hit, bint *failed
) noexcept nogil:
    cdef size_t i, count = limit.variables.size()
    cdef Value *values = NULL
    cdef Value value
    cdef Applies then
    cdef size_t size = DIGEST_SIZE
    if count:
        values = <Value *> work.call.arena.take(count * sizeof(Value))
        if values == NULL:
            return UNDECIDED
    for i in range(count):
        if limit.variables[i] == NULL:
            return UNDECIDED
        value = evaluate(<const Program *> limit.variables[i], &work.evaluation)
        if value.kind != ERROR:
            value = key_text(value, work.call.arena)
        if is_absence(value):
            return APPLIES_NOT
        if value.kind == ERROR and value.code == OUT_OF_MEMORY:
            return UNDECIDED
        if value.kind != STRING:
            failed[0] = True
            then = on_failure(limit)
            if then != APPLIES:
                return then
            value = string_value(b"", 0)
        values[i] = value
        size += key_value_size(value.text, value.size)
    cdef char *key = <char *> work.call.arena.take(size)
    if key == NULL:
        return UNDECIDED
    hit.key = key
    hit.key_size = <uint32_t> size
    memcpy(key, limit.digest, DIGEST_SIZE)
    key += DIGEST_SIZE
    for i in range(count):
        key = write_key_value(key, values[i].text, values[i].size)
    return APPLIES


# Hits of descriptor `index`, or of the last one before it: RateLimitRequest.hits.
cdef void set_hits(const RequestView *request, uint32_t index, CounterHit *hit) noexcept nogil:
    cdef const DescriptorView *view
    hit.amount = request.hits_addend if request.hits_addend else 1
    hit.give_back = False
    if not request.count:
        return
    view = &request.descriptors[min(index, request.count - 1)]
    if view.has_hits:
        hit.amount = min(view.hits, (<uint64_t> 1 << 63) - 1)
    hit.give_back = view.is_negative and hit.amount != 0


cdef uint64_t call_hits(const RequestView *request) noexcept nogil:
    cdef CounterHit hit
    cdef uint64_t most = 0
    cdef uint32_t i
    for i in range(request.count if request.count else 1):
        set_hits(request, i, &hit)
        if not hit.give_back:
            most = max(most, hit.amount)
    return most


cdef Applies weigh(Work *work, const Limit *limit) noexcept nogil:
    cdef bint failed = False
    cdef CounterHit *hit = &work.hits[work.applied]
    work.roots.limit = limit
    cdef Applies result = conditions_hold(work, limit, &failed)
    if result == APPLIES:
        result = build_key(work, limit, hit, &failed)
    if result == UNDECIDED:
        return UNDECIDED
    if failed:
        work.errors[work.error_count] = limit.error_series
        work.error_count += 1
    if result == REFUSES and work.method == REPORT:
        result = APPLIES_NOT
    if result == REFUSES:
        work.refusing += 1
        hit = &work.hits[work.capacity - work.refusing]
        hit.fits = False
        hit.remaining = 0
        hit.reset_ns = 0
        work.owners[work.capacity - work.refusing] = limit
        return REFUSES
    if result == APPLIES:
        hit.max_value = limit.max_value
        hit.window_ns = limit.window_ns
        hit.amount = 1
        hit.give_back = False
        if work.method != CHECK_RATE_LIMIT:
            set_hits(&work.request, limit.descriptor, hit)
        work.owners[work.applied] = limit
        work.applied += 1
    return result


# Finds the limits that apply; False when the full lane has to decide.
cdef bint weigh_limits(Work *work) noexcept nogil:
    cdef const Limit **found
    cdef uint32_t i, count
    cdef Arena *arena = work.call.arena
    if not seal_request(&work.request, arena):
        return False
    if not work.limits.collect(work.request, arena, &found, &count):
        return False
    if not count:
        return True
    work.capacity = count
    work.hits = <CounterHit *> arena.take(count * sizeof(CounterHit))
    work.owners = <const Limit **> arena.take(count * sizeof(Limit *))
    work.order = <uint32_t *> arena.take(count * sizeof(uint32_t))
    work.errors = <uint32_t *> arena.take(count * sizeof(uint32_t))
    if work.hits == NULL or work.owners == NULL or work.order == NULL or work.errors == NULL:
        return False
    if not bind_descriptors(work):
        return False
    for i in range(count):
        if weigh(work, found[i]) == UNDECIDED:
            return False
    return True


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
            work.hits, work.applied, work.call.clock.mono_ns, mode
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


# One status per descriptor, the most restrictive limit of each; NULL when the arena is exhausted.
cdef StatusView *fill_statuses(Work *work) noexcept nogil:
    cdef uint32_t i, home, count = work.request.count
    cdef StatusView *statuses = <StatusView *> work.call.arena.take(count * sizeof(StatusView))
    cdef const Limit *limit
    cdef const CounterHit *hit
    if statuses == NULL:
        return NULL
    for i in range(count):
        statuses[i].code = CODE_OK
        statuses[i].limit.text = NULL
        statuses[i].limit.size = 0
    for i in range(work.applied + work.refusing):
        limit = work.owners[work.order[i]]
        home = min(limit.descriptor, count - 1)
        if statuses[home].limit.text != NULL:
            continue
        hit = &work.hits[work.order[i]]
        statuses[home].code = CODE_OK if hit.fits else CODE_OVER_LIMIT
        statuses[home].limit.text = limit.current_limit.data()
        statuses[home].limit.size = <uint32_t> limit.current_limit.size()
        statuses[home].remaining = hit.remaining
        statuses[home].reset_ns = hit.reset_ns
    return statuses


cdef Outcome answer(Work *work, Code code) noexcept nogil:
    cdef ResponseView response
    cdef HeaderView headers[3]
    cdef uint32_t shown = work.applied + work.refusing
    response.code = code
    response.statuses = NULL
    response.status_count = 0
    response.response_headers = headers
    response.response_header_count = 0
    response.request_headers = NULL
    response.request_header_count = 0
    response.raw_body.text = response.dynamic_metadata.text = NULL
    response.raw_body.size = response.dynamic_metadata.size = 0
    if work.decider.statuses and work.method != REPORT and work.request.count:
        response.statuses = fill_statuses(work)
        response.status_count = work.request.count
        if response.statuses == NULL:
            return fail(work.call, RESOURCE_EXHAUSTED, TOO_LARGE_TEXT)
    if work.decider.headers and work.method == SHOULD_RATE_LIMIT and shown:
        if not draft03_headers(
            work.order, shown, work.hits, work.owners, work.call.arena, headers
        ):
            return fail(work.call, RESOURCE_EXHAUSTED, TOO_LARGE_TEXT)
        response.response_header_count = 3
    return write(work.call, response)


cdef Outcome write(Call *call, const ResponseView &response) noexcept nogil:
    cdef WireWriter writer = WireWriter(call.arena, 512)
    encode_response(response, &writer)
    if writer.failed:
        return fail(call, RESOURCE_EXHAUSTED, TOO_LARGE_TEXT)
    call.reply.status = 0
    call.reply.message = writer.data()
    call.reply.message_size = writer.size()
    return OUTCOME_ANSWER


# Code UNKNOWN and nothing else: a message of no bytes.
cdef Outcome write_empty(Call *call) noexcept nogil:
    call.reply.status = 0
    call.reply.message = <const uint8_t *> <const char *> b""
    call.reply.message_size = 0
    return OUTCOME_ANSWER


cdef Outcome decide(Decider *decider, Call *call, Method method) noexcept nogil:
    cdef Work work
    cdef Plan *plan = decider.plans.read(call.thread)
    cdef const Limit *refused = NULL
    cdef DecodeResult decoded = decode_request(
        call.request, call.request_size, call.arena, &work.request)
    if plan != NULL:
        call.generation = plan.generation
    if decoded == MALFORMED_REQUEST:
        return fail(call, INTERNAL, MALFORMED_TEXT)
    if decoded != DECODED:
        return fail(call, RESOURCE_EXHAUSTED, TOO_LARGE_TEXT)
    if plan == NULL:
        return fail(call, UNAVAILABLE, UNAVAILABLE_TEXT)
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
        return fail(call, UNAVAILABLE, UNAVAILABLE_TEXT)
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
