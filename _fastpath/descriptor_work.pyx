"""Weighing: which limit each descriptor of a request meets, with its counter and statistics.

Everything is found in the call's arena before a counter is asked.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memset

from _fastpath.arena cimport Arena
from _fastpath.counters cimport ALIGNED_WINDOW, CounterHit, Quota
from _fastpath.descriptor_tree cimport (
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
from _fastpath.handler cimport Call
from _fastpath.limit_index cimport LimitSet
from _fastpath.rls_codec cimport DescriptorView, RequestView, encode_current_limit
from _fastpath.wire cimport TextView, WireWriter

cdef extern from "descriptor_rls.hpp" namespace "tollhouse" nogil:
    bint take_turns(Counted *counted, uint32_t count, Arena *arena, uint32_t *turns)
    int64_t window_of_unit(int32_t unit)


cdef void start(Work *work, Decider *decider, Call *call, const LimitSet *limits) noexcept nogil:
    work.decider = decider
    work.call = call
    work.limits = limits
    work.tree = NULL
    if limits != NULL:
        work.tree = <const DescriptorTree *> limits.tree
    work.turns = 0


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
    set_hits(&work.request, index, &counted.hit)
    counted.hit.binding = work.decider.stop_when_over
    counted.hit.always = not work.decider.stop_when_over or counted.hit.give_back
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
