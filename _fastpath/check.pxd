from libc.stdint cimport uint32_t

from _fastpath.attributes cimport Facts
from _fastpath.cells cimport Cells, Series
from _fastpath.check_codec cimport Answer
from _fastpath.counted cimport Counted
from _fastpath.handler cimport NativeHandler
from _fastpath.identity cimport Identities, IdentityTable
from _fastpath.plan cimport Plans, PlanStore
from _fastpath.program cimport Evaluation
from _fastpath.rule cimport RuleData
from _fastpath.value cimport Entry, Value
from _fastpath.wire cimport TextView


# An answer that is the same for every request.
cdef struct Constant:
    const char *message
    size_t size


# What every decision shares; lives as long as the CheckDecider.
cdef struct Tables:
    PlanStore *plans
    Identities *identities
    Cells *cells
    uint32_t ok_series
    uint32_t unauthenticated_series
    uint32_t denied_series
    uint32_t not_found_series
    uint32_t unavailable_series
    uint32_t invalid_series
    Constant allowed
    Constant invalid
    Constant not_found
    Constant not_ready


# A success item that was evaluated.
cdef struct Item:
    bint present        # not skipped, not dropped
    bint written        # goes into the answer
    Value value         # in JSON form
    TextView text       # of a header


# One request on its way through the pipeline of rule.pyi.
cdef struct Decision:
    Facts facts
    Evaluation evaluation
    const RuleData *rule
    Tables *tables
    bint has_identity
    Value identity
    Counted *held           # owns `identity`; given back at the end
    Entry *granted          # authorization entries that passed, in order of evaluation
    uint32_t granted_count
    uint32_t granted_visible
    Item *items             # by order of declaration
    uint32_t visible_groups  # of success items
    Answer answer


cdef class CheckDecider:
    cdef Tables tables
    cdef tuple constants
    cdef Plans plans
    cdef IdentityTable identities
    cdef Series series
    cdef readonly NativeHandler check
    cdef void register(self, Series series) except *
