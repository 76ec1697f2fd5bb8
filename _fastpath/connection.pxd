from libc.stdint cimport int64_t

from _fastpath.transport cimport Command, Connection, IoThread, ServerState

cdef enum Remainder:
    """What is left of a connection after a flush: OPEN, DONE (its session has ended), BROKEN."""
    OPEN, DONE, BROKEN

cdef int prepare(ServerState *server) noexcept nogil
cdef bint open_session(Connection *connection) noexcept nogil
cdef bint receive(Connection *connection) noexcept nogil
cdef bint discard(Connection *connection) noexcept nogil
cdef Remainder flush(Connection *connection) noexcept nogil
cdef void obey(IoThread *thread, Command *command) noexcept nogil
cdef void expire(IoThread *thread) noexcept nogil
cdef void say_goodbye(Connection *connection, bint final) noexcept nogil
cdef void end_session(Connection *connection) noexcept nogil
