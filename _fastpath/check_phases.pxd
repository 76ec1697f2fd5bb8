from _fastpath.check_decision cimport Decision, Step

cdef Step authenticate(Decision *decision) noexcept nogil
cdef Step authorize(Decision *decision) noexcept nogil
cdef Step grant(Decision *decision) noexcept nogil
