from _fastpath.check_decision cimport Decision, Step


# Whether authentication may be tried: STEP_YES, STEP_NO with the answer filled in, or STEP_DEFER.
cdef Step admit(Decision *decision) noexcept nogil

# Counts the attempts that `admit` found, once the answer is certain.
cdef void count_failure(Decision *decision) noexcept nogil
