from libcpp.vector cimport vector

from _fastpath.transport cimport Command, Event, ServerState


cdef class Bridge:
    cdef ServerState *state     # outlives the bridge
    cdef object methods
    cdef object bounds
    cdef object loop
    cdef object calls           # (thread, call) → RunningCall
    cdef object outputs         # (thread, connection) → ConnectionOutput
    cdef vector[vector[Command]] outbox     # per I/O thread, posted once per turn of the loop
    cdef bint posting

    cdef connect(self, ServerState *state)
    cdef start(self, loop)
    cdef stop(self)
    cdef take_event(self, Event *event, now)
    cdef open_call(self, Event *event, key, now)
    cdef close_call(self, key, running)
    cdef command(self, running, int kind, int status, str detail, bytes message, trailing,
                 size_t amount)
