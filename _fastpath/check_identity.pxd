from _fastpath.check_decision cimport Decision, Step


# STEP_YES with the identity set, STEP_NO with the denial filled in, or STEP_DEFER.
cdef Step authenticate(Decision *decision) noexcept nogil
