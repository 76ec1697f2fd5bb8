from _fastpath.transport cimport IoThread, ServerState

cdef bint open_thread(IoThread *thread, ServerState *server) noexcept nogil
cdef bint watch_listener(IoThread *thread, int fd) noexcept nogil
cdef void run(IoThread *thread) noexcept nogil
