"""Rate limit requests whose counters live in a store: kept while they wait, taken up again after.

What is kept is one heap block: the hits with their keys, the limits that own them and what is to be
counted. It holds a reference to the plan, so a reload in between changes nothing. The request
itself stays with the call and is decoded again.
"""

from libc.stddef cimport size_t
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

from _fastpath.counted cimport retain
from _fastpath.counter_store cimport (
    FAIL_OPEN,
    OVERLOADED,
    QUEUED,
    Begun,
    FailPolicy,
    Store,
    read_result,
)
from _fastpath.counters cimport ADD, CHECK, CHECK_AND_ADD, NO_ROOM, CounterHit, HitMode
from _fastpath.handler cimport Call
from _fastpath.limit_index cimport Limit, LimitSet
from _fastpath.metric_labels cimport LabelSet
from _fastpath.plan cimport Plan
from _fastpath.rls_codec cimport DECODED, decode_request
from _fastpath.rls_work cimport CHECK_RATE_LIMIT, REPORT, Decider, Method, Work


cdef struct Kept:
    Decider *decider
    uint64_t number             # of the decision, while it waits; 0 afterwards
    Plan *plan                  # counted
    const LimitSet *limits
    Method method
    uint32_t applied
    uint32_t refusing
    uint32_t noted_count
    # Followed by the hits, their owners, what is noted, and the keys.


cdef HitMode mode_of(const Work *work) noexcept nogil:
    if work.method == REPORT:
        return ADD
    return CHECK if work.method == CHECK_RATE_LIMIT or work.refusing else CHECK_AND_ADD


cdef size_t padded(size_t size) noexcept nogil:
    return (size + 7) & ~(<size_t> 7)


# Copies what `work` needs later; NULL when the heap is exhausted. Limits that refuse by on_error,
# which stand at the end, move to behind those that apply.
cdef Kept *keep(Work *work) noexcept nogil:
    cdef uint32_t i, count = work.applied + work.refusing
    cdef size_t size = padded(sizeof(Kept)) + count * (sizeof(CounterHit) + sizeof(void *))
    size += padded(work.noted_count * sizeof(uint32_t))
    for i in range(work.applied):
        size += work.hits[i].key_size
    cdef char *place = <char *> malloc(size)
    if place == NULL:
        return NULL
    cdef Kept *kept = <Kept *> place
    cdef CounterHit *hits = <CounterHit *> (place + padded(sizeof(Kept)))
    cdef const Limit **owners = <const Limit **> (hits + count)
    cdef uint32_t *noted = <uint32_t *> (owners + count)
    cdef char *keys = <char *> noted + padded(work.noted_count * sizeof(uint32_t))
    kept.decider = work.decider
    kept.number = 0
    kept.plan = work.plan
    retain(kept.plan)
    kept.limits = work.limits
    kept.method = work.method
    kept.applied = work.applied
    kept.refusing = work.refusing
    kept.noted_count = work.noted_count
    memcpy(noted, work.noted, work.noted_count * sizeof(uint32_t))
    memcpy(hits, work.hits, work.applied * sizeof(CounterHit))
    memcpy(owners, work.owners, work.applied * sizeof(void *))
    for i in range(work.refusing):
        hits[work.applied + i] = work.hits[work.capacity - 1 - i]
        owners[work.applied + i] = work.owners[work.capacity - 1 - i]
    for i in range(work.applied):
        memcpy(keys, hits[i].key, hits[i].key_size)
        hits[i].key = keys
        keys += hits[i].key_size
    return kept


cdef bint take_up(Work *work, Decider *decider, Call *call, void *place, const uint8_t *result,
                  size_t result_size) noexcept nogil:
    cdef Kept *kept = <Kept *> place
    cdef uint32_t count = kept.applied + kept.refusing
    kept.number = 0
    if decode_request(
        call.request, call.request_size, call.arena, &work.request
    ) != DECODED:
        return False
    work.decider = decider
    work.call = call
    work.method = kept.method
    work.plan = kept.plan
    work.limits = kept.limits
    work.labels = <const LabelSet *> kept.plan.labels
    work.bound = False
    work.applied = kept.applied
    work.refusing = kept.refusing
    work.capacity = count
    work.hits = <CounterHit *> (<char *> place + padded(sizeof(Kept)))
    work.owners = <const Limit **> (work.hits + count)
    work.noted = <uint32_t *> (work.owners + count)
    work.noted_count = kept.noted_count
    work.order = <uint32_t *> call.arena.take(count * sizeof(uint32_t))
    if work.order == NULL:
        return False
    if read_result(<const char *> result, result_size, work.hits, work.applied):
        return True
    return go_without(work)


cdef void discard_work(void *place) noexcept nogil:
    cdef Kept *kept = <Kept *> place
    if kept.number:
        kept.decider.store.give_up(kept.number)
    kept.decider.plans.let_go(kept.plan)
    free(kept)


# Decides without the store; hits that fail open leave the work.
cdef bint go_without(Work *work) noexcept nogil:
    cdef uint32_t i, left = 0
    cdef FailPolicy *policies = <FailPolicy *> work.call.arena.take(
        work.applied * sizeof(FailPolicy))
    if policies == NULL:
        return False
    for i in range(work.applied):
        policies[i] = <FailPolicy> work.owners[i].fail
    if not work.decider.store.decide_without(
        work.hits, work.applied, policies, work.decider.counters, work.call.clock, mode_of(work)
    ):
        return False
    for i in range(work.applied):
        if policies[i] != FAIL_OPEN:
            work.hits[left] = work.hits[i]
            work.owners[left] = work.owners[i]
            left += 1
    work.applied = left
    return True


cdef Asked ask_store(Work *work) noexcept nogil:
    cdef Store *store = work.decider.store
    cdef uint64_t number = 0
    cdef Begun begun
    if store.splits(work.applied):
        return ASKED_DEFERRED
    begun = store.begin(
        work.hits, work.applied, mode_of(work), work.call.clock, work.call.clock.mono_ns,
        work.limits.tag, work.call.ticket, &number)
    if begun == OVERLOADED:
        return ASKED_DECIDED if go_without(work) else ASKED_FAILED
    if begun != QUEUED:
        return ASKED_DECIDED
    cdef Kept *kept = keep(work)
    if kept == NULL:
        store.give_up(number)
        return ASKED_FAILED
    kept.number = number
    work.call.kept = kept
    work.call.discard = discard_work
    return ASKED_WAITS


cdef Asked ask_counters(Work *work) noexcept nogil:
    if not work.applied:
        return ASKED_DECIDED
    if work.decider.store != NULL:
        return ask_store(work)
    if work.decider.counters.decide(
        work.hits, work.applied, work.call.clock, mode_of(work)
    ) == NO_ROOM:
        return ASKED_FAILED
    return ASKED_DECIDED
