from libc.stdint cimport int64_t

from _fastpath.transport cimport Command, Connection, IoThread, ServerState

cdef int prepare(ServerState *server) noexcept nogil
cdef bint open_session(Connection *connection) noexcept nogil
cdef bint receive(Connection *connection) noexcept nogil
cdef bint flush(Connection *connection) noexcept nogil
cdef void obey(IoThread *thread, Command *command) noexcept nogil
cdef void expire(IoThread *thread) noexcept nogil
cdef void say_goodbye(Connection *connection, bint final) noexcept nogil
cdef void end_session(Connection *connection) noexcept nogil
