from _fastpath.descriptor_work cimport Work
from _fastpath.handler cimport Outcome


# The response, once all hits are decided.
cdef Outcome answer(Work *work) noexcept nogil
