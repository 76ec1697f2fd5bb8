from _fastpath.check_decision cimport Decision, Step


# STEP_YES, or STEP_DEFER.
cdef Step fetch(Decision *decision) noexcept nogil

# STEP_YES, STEP_NO with the denial filled in, or STEP_DEFER.
cdef Step authorize(Decision *decision) noexcept nogil
