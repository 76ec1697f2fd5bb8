from libc.stdint cimport uint32_t, uint64_t

from _fastpath.arena cimport Arena
from _fastpath.bounded_names cimport BoundedNames
from _fastpath.cells cimport Cells
from _fastpath.counter_store cimport Store
from _fastpath.counters cimport CounterHit, Table
from _fastpath.descriptor_tree cimport DescriptorTree, LimitFacts
from _fastpath.handler cimport Call
from _fastpath.limit_index cimport LimitSet
from _fastpath.plan cimport PlanStore
from _fastpath.rls_codec cimport RequestView
from _fastpath.wire cimport TextView


cdef extern from "descriptor_rls.hpp" namespace "tollhouse" nogil:
    cdef struct Counted "tollhouse::CountedDescriptor":
        const LimitFacts *facts     # of the limit that counts; NULL where none does
        const uint32_t *series
        CounterHit hit
        uint32_t turn               # how many before it name the same counter
        bint unlimited

    bint whole_number(uint64_t number, Arena *arena, TextView *out)


ctypedef enum Event:
    CALLS
    SERVICE_ERRORS
    STORE_ERRORS
    SHADOWED
    EVENTS


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


ctypedef enum Found:
    READY
    NEEDS_FULL_LANE
    NO_UNIT
    EXHAUSTED


# One request; all but the pointers to the decider and the call lives in the call's arena.
cdef struct Work:
    Decider *decider
    Call *call
    RequestView request
    const LimitSet *limits
    const DescriptorTree *tree
    Counted *counted        # one per descriptor
    uint32_t turns


# The decider, the call and the limits of its domain (NULL for none); the request is decoded apart.
cdef void start(Work *work, Decider *decider, Call *call, const LimitSet *limits) noexcept nogil

# Finds the limit of every descriptor with its counter, and who takes turns at one.
cdef Found weigh(Work *work) noexcept nogil
