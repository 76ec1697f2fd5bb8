from _fastpath.check_decision cimport Decision, Step


# STEP_YES with the answer filled in, or STEP_DEFER.
cdef Step grant(Decision *decision) noexcept nogil
