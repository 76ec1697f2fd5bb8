from _fastpath.handler cimport Call, Outcome
from _fastpath.rls_work cimport Work


ctypedef enum Code:
    CODE_UNKNOWN = 0
    CODE_OK = 1
    CODE_OVER_LIMIT = 2


# The call ends with a gRPC status and no message; the texts are those of rls.pyi.
cdef Outcome fail_malformed(Call *call) noexcept nogil
cdef Outcome fail_too_large(Call *call) noexcept nogil
cdef Outcome fail_unavailable(Call *call) noexcept nogil

# The response with this code and what the method shows of the limits.
cdef Outcome answer(Work *work, Code code) noexcept nogil

# Code UNKNOWN and nothing else: a message of no bytes.
cdef Outcome write_empty(Call *call) noexcept nogil
