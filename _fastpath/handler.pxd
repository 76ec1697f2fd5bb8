from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libcpp.string cimport string

from _fastpath.arena cimport Arena
from _fastpath.counted cimport Counted


cdef extern from "clock.hpp" namespace "tollhouse" nogil:
    cdef struct Clock:
        int64_t mono_ns     # CLOCK_MONOTONIC; durations
        int64_t wall_ns     # CLOCK_REALTIME; calendar windows, expiry of tokens


cdef extern from "ticket.hpp" namespace "tollhouse" nogil:
    # Names a suspended call for whoever brings its result (suspension.pxd), from any thread, also
    # after the call is gone.
    cdef struct Ticket:
        uint64_t server             # 0: a call from Python
        uint32_t thread
        int32_t stream
        uint64_t connection
        uint64_t call

    cdef cppclass Delivery:
        Ticket ticket
        string result


cdef enum Outcome:
    OUTCOME_ANSWER = 0      # reply is filled
    OUTCOME_DEFER = 1       # nothing was changed; the Python handler of the method decides
    OUTCOME_SUSPEND = 2     # a continuation waits for a result, see `suspend` below


cdef struct Reply:
    const uint8_t *message      # encoded answer, in the arena or static; ignored unless status is 0
    size_t message_size
    int status                  # gRPC status code
    const char *detail          # grpc-message, UTF-8, not yet percent-encoded; may be NULL
    size_t detail_size


cdef struct Call

# Continues a suspended call with the bytes somebody delivered under its ticket, on the call's own
# thread and with its first clocks and generation. Owns `kept` from here on; may suspend again.
ctypedef Outcome (*resume_function)(
    void *state, Call *call, void *kept, const uint8_t *result, size_t result_size
) noexcept nogil
ctypedef void (*discard_function)(void *kept) noexcept nogil


cdef struct Call:
    const uint8_t *request      # protobuf message without the five-byte frame; valid for the call
    size_t request_size
    Clock clock                 # read once per request
    uint32_t thread             # 0 … threads-1; `threads` for a call from Python under the GIL
    Arena *arena                # scratch, reset by the caller once the reply is copied
    uint64_t generation         # out: generation of the plan that decided or deferred
    Reply reply                 # out
    Ticket ticket               # in: to be given back with the result of a suspended call
    resume_function resume      # out, with OUTCOME_SUSPEND: continues on the call's own thread
    void *kept                  # out, with OUTCOME_SUSPEND: the continuation's, see `discard`
    discard_function discard    # out, with OUTCOME_SUSPEND: frees `kept`, also of a cancelled call


# Runs without the interpreter lock on an I/O thread, or under it when called from Python.
ctypedef Outcome (*native_function)(void *state, Call *call) noexcept nogil


cdef class Unit:
    """Python handle of one Counted native object; owns one reference."""
    cdef Counted *pointer


cdef class NativeHandler:
    cdef native_function function
    cdef void *state            # kept alive by `owner`
    cdef object owner
    cdef uint32_t python_thread  # value of Call.thread for calls from Python
    cdef Arena *arena
    cdef void prepare(self, Call *call, bytes request, int64_t mono_ns, int64_t wall_ns)
    cdef void clear(self, Call *call)
    cdef tuple report(self, Call *call, Outcome outcome)
    cdef Outcome resume(self, Call *call, bytes result)
