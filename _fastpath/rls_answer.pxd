from _fastpath.handler cimport Call, Outcome
from _fastpath.limit_index cimport Limit
from _fastpath.rls_work cimport Work


# The call ends with a gRPC status and no message; the texts are those of rls.pyi.
cdef Outcome fail_malformed(Call *call) noexcept nogil
cdef Outcome fail_too_large(Call *call) noexcept nogil
cdef Outcome fail_unavailable(Call *call) noexcept nogil

# The response with what the method shows of the limits; refused: the limit to tell as the reason,
# NULL when the request passes.
cdef Outcome answer(Work *work, const Limit *refused) noexcept nogil

# Code UNKNOWN and nothing else: a message of no bytes.
cdef Outcome write_empty(Call *call) noexcept nogil
