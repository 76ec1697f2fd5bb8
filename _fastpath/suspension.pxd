from libc.stddef cimport size_t
from libc.stdint cimport uint8_t, uint64_t
from libcpp.vector cimport vector

from _fastpath.handler cimport Delivery, Ticket
from _fastpath.transport cimport ServerState

# Brings the result of a suspended call, from any thread, with or without the interpreter lock. A
# call that is over by now is ignored.
cdef void deliver(const Ticket *ticket, const uint8_t *result, size_t size) noexcept nogil

# The same for many, from under the interpreter lock; one wake-up per thread.
cdef void deliver_all(vector[Delivery] &deliveries) noexcept

cdef void admit_server(ServerState *server) noexcept nogil
cdef void dismiss_server(ServerState *server) noexcept nogil

# Makes `ticket` one of a call from Python, whose result completes `future` on its loop.
cdef void expect(Ticket *ticket, object future)
cdef void forget(uint64_t call)
