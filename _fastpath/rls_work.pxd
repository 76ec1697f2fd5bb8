from libc.stdint cimport uint32_t, uint64_t

from _fastpath.bounded_names cimport BoundedNames
from _fastpath.cells cimport Cells
from _fastpath.counter_store cimport Store
from _fastpath.counters cimport CounterHit, Table
from _fastpath.handler cimport Call
from _fastpath.limit_index cimport Limit, LimitSet
from _fastpath.metric_labels cimport LabelSeries, LabelSet
from _fastpath.plan cimport Plan, PlanStore
from _fastpath.program cimport Evaluation
from _fastpath.rate_limit_headers cimport HeaderSettings
from _fastpath.rls_codec cimport RequestView
from _fastpath.value cimport Value
from _fastpath.wire cimport TextView


ctypedef enum Method:
    SHOULD_RATE_LIMIT
    CHECK_RATE_LIMIT
    REPORT


# What the handlers share; every pointer outlives them.
cdef struct Decider:
    PlanStore *plans
    Table *counters
    Store *store            # where counters live instead, or NULL
    Cells *cells
    BoundedNames *unknown       # series of domains without limits: calls, hits, reports
    LabelSeries *labeled
    const HeaderSettings *headers
    bint statuses


cdef struct Roots:
    Value descriptors
    const Limit *limit
    Value hits


# One request. Limits that apply stand in hits and owners from the front, those that refuse by
# on_error from the back; order holds the positions of both.
cdef struct Work:
    Decider *decider
    Call *call
    Method method
    RequestView request
    Plan *plan              # holds the limits and labels
    const LimitSet *limits
    const LabelSet *labels  # NULL: none are configured
    Roots roots
    Evaluation evaluation
    bint bound              # the descriptors are sealed and bound
    CounterHit *hits
    const Limit **owners
    uint32_t capacity
    uint32_t applied
    uint32_t refusing
    uint32_t *order
    uint32_t *noted         # series that count one: failed limits, shadows that would refuse
    uint32_t noted_count


ctypedef enum Applies:
    APPLIES
    APPLIES_NOT
    REFUSES
    UNDECIDED               # needs the full lane


# Finds the limits that apply; False when the full lane has to decide.
cdef bint weigh_limits(Work *work) noexcept nogil

# Makes the descriptors readable for expressions; False when the arena is exhausted.
cdef bint bind_descriptors(Work *work) noexcept nogil

# Hits that the metrics count for the call.
cdef uint64_t call_hits(const RequestView *request) noexcept nogil
