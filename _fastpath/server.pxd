from libcpp.vector cimport vector

from _fastpath.bridge cimport Bridge
from _fastpath.transport cimport CommandKind, ServerState


cdef class Server:
    cdef ServerState *state
    cdef Bridge bridge
    cdef object methods         # keeps native handlers alive
    cdef object io_threads
    cdef object paths           # of Unix sockets, removed at the end
    cdef vector[int] listeners

    cdef add_method(self, method)
    cdef tell_threads(self, CommandKind kind, int fd)
