"""Weighing: which limits apply to a request, with which counters and hits.

A request is decoded into views, the limits that could apply are collected and their expressions
evaluated, all in the call's arena, before a counter is asked.
"""

from libc.stdint cimport INT64_MAX, int64_t, uint32_t, uint64_t
from libc.string cimport memcpy

from _fastpath.arena cimport Arena
from _fastpath.counters cimport (
    CONCURRENCY,
    DIGEST_SIZE,
    CounterHit,
    key_value_size,
    write_key_value,
)
from _fastpath.limit_index cimport (
    ON_ERROR_REFUSE,
    ON_ERROR_SKIP,
    Limit,
    seal_request,
)
from _fastpath.program cimport Program, evaluate
from _fastpath.rls_codec cimport DescriptorView, RequestView
from _fastpath.text cimport key_text
from _fastpath.value cimport (
    BOOL,
    ERROR,
    INDEX_OUT_OF_RANGE,
    INT,
    NO_SUCH_KEY,
    OUT_OF_MEMORY,
    STRING,
    UINT,
    Value,
    absent_value,
    int_value,
    list_value,
    map_value,
    string_value,
)


cdef extern from "rls.hpp" namespace "tollhouse" nogil:
    const uint64_t MOST_GIVEN_BACK


cdef Value root_of(void *state, uint32_t slot) noexcept nogil:
    cdef Roots *roots = <Roots *> state
    if slot == 0:
        return roots.descriptors
    if slot == 1:
        return roots.limit.root
    if slot == 2:
        return roots.hits
    return absent_value()


# The variable `descriptors`: a list of maps over the request's own bytes.
cdef bint bind_descriptors(Work *work) noexcept nogil:
    if work.bound:
        return True
    if not seal_request(&work.request, work.call.arena):
        return False
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
    work.bound = True
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
        hit.amount = min(view.hits, MOST_GIVEN_BACK)
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


# The hits that the limit is charged: those of its home, or what its cost makes of them.
cdef Applies set_amount(
    Work *work, const Limit *limit, CounterHit *hit, bint *failed
) noexcept nogil:
    cdef Applies result = APPLIES
    hit.amount = 1
    hit.give_back = False
    if work.method != CHECK_RATE_LIMIT:
        set_hits(&work.request, limit.descriptor, hit)
    if limit.cost.size():
        result = set_cost(work, limit, hit, failed)
    if work.method == REPORT and limit.quota.algorithm == CONCURRENCY and hit.amount:
        hit.give_back = not hit.give_back
        hit.amount = min(hit.amount, MOST_GIVEN_BACK)
    return result


cdef Applies set_cost(
    Work *work, const Limit *limit, CounterHit *hit, bint *failed
) noexcept nogil:
    cdef int64_t hits = <int64_t> min(hit.amount, MOST_GIVEN_BACK)
    cdef Value value
    if limit.cost[0] == NULL:
        return UNDECIDED
    work.roots.hits = int_value(-hits if hit.give_back else hits)
    value = evaluate(<const Program *> limit.cost[0], &work.evaluation)
    if is_absence(value):
        return APPLIES_NOT
    if value.kind == INT:
        hit.give_back = value.integer < 0
        hit.amount = min(
            <uint64_t> value.integer if value.integer >= 0 else -<uint64_t> value.integer,
            MOST_GIVEN_BACK)
        return APPLIES
    if value.kind == UINT:
        hit.give_back = False
        hit.amount = value.natural
        return APPLIES
    if value.kind == ERROR and value.code == OUT_OF_MEMORY:
        return UNDECIDED
    failed[0] = True
    return on_failure(limit)


cdef inline void note(Work *work, uint32_t series) noexcept nogil:
    work.noted[work.noted_count] = series
    work.noted_count += 1


# A limit that fails and refuses by on_error; one that never refuses is passed over.
cdef Applies refuse(Work *work, const Limit *limit) noexcept nogil:
    cdef CounterHit *hit
    if work.method == REPORT:
        return APPLIES_NOT
    if not limit.binding():
        if limit.shadow:
            note(work, limit.shadow_series)
        return APPLIES_NOT
    work.refusing += 1
    hit = &work.hits[work.capacity - work.refusing]
    hit.fits = False
    hit.remaining = 0
    hit.reset_ns = 0
    hit.retry_ns = INT64_MAX
    work.owners[work.capacity - work.refusing] = limit
    return REFUSES


cdef Applies weigh(Work *work, const Limit *limit) noexcept nogil:
    cdef bint failed = False
    cdef CounterHit *hit = &work.hits[work.applied]
    work.roots.limit = limit
    cdef Applies result = conditions_hold(work, limit, &failed)
    if result == APPLIES:
        result = build_key(work, limit, hit, &failed)
    if result == APPLIES:
        result = set_amount(work, limit, hit, &failed)
    if result == UNDECIDED:
        return UNDECIDED
    if failed:
        note(work, limit.error_series)
    if result == REFUSES:
        return refuse(work, limit)
    if result == APPLIES:
        hit.quota = &limit.quota
        hit.binding = limit.binding()
        hit.always = limit.always
        work.owners[work.applied] = limit
        work.applied += 1
    return result


# Finds the limits that apply; False when the full lane has to decide.
cdef bint weigh_limits(Work *work) noexcept nogil:
    cdef const Limit **found
    cdef uint32_t i, count
    cdef Arena *arena = work.call.arena
    if not bind_descriptors(work):
        return False
    if not work.limits.collect(work.request, arena, &found, &count):
        return False
    if not count:
        return True
    work.capacity = count
    work.hits = <CounterHit *> arena.take(count * sizeof(CounterHit))
    work.owners = <const Limit **> arena.take(count * sizeof(Limit *))
    work.order = <uint32_t *> arena.take(count * sizeof(uint32_t))
    work.noted = <uint32_t *> arena.take(2 * count * sizeof(uint32_t))
    if work.hits == NULL or work.owners == NULL or work.order == NULL or work.noted == NULL:
        return False
    for i in range(count):
        if weigh(work, found[i]) == UNDECIDED:
            return False
    return True
