from _fastpath.check_decision cimport Decision, Step
from _fastpath.rule cimport RememberedRule
from _fastpath.value cimport Value
from _fastpath.wire cimport TextView


# STEP_YES and what an earlier request found out, STEP_MISSED, or STEP_DEFER for want of memory.
# `credential` may be NULL.
cdef Step recall(
    Decision *decision, const RememberedRule *rule, const TextView *credential, Value *found
) noexcept nogil
