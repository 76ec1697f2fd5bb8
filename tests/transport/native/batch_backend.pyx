# distutils: language = c++
"""A backend that answers in batches, as a remote store would: calls wait until `flush`.

The request's first byte says how: "a" answer with the result, "d" defer after it, "t" wait twice.
"""
from libc.stddef cimport size_t
from libc.stdint cimport uint8_t, uint32_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy
from libcpp.vector cimport vector

from _fastpath.handler cimport (
    OUTCOME_ANSWER, OUTCOME_DEFER, OUTCOME_SUSPEND, Call, NativeHandler, Outcome, Ticket,
)
from _fastpath.suspension cimport deliver

cdef extern from *:
    """
    #include <atomic>
    #include <mutex>
    #include <vector>
    static std::mutex batch_lock;
    static std::atomic<long> batch_kept{0};
    """
    cdef cppclass Lock "std::mutex":
        void lock() nogil
        void unlock() nogil
    cdef cppclass Count "std::atomic<long>":
        long load() nogil
        long fetch_add(long) nogil
        long fetch_sub(long) nogil
    Lock batch_lock
    Count batch_kept

cdef struct Batch:
    vector[Ticket] *waiting

cdef struct Kept:
    int rounds              # results still to wait for after the next one
    uint32_t thread         # where the call was suspended
    long long mono_ns


cdef void discard(void *kept) noexcept nogil:
    batch_kept.fetch_sub(1)
    free(kept)


cdef void wait(Batch *batch, Call *call, Kept *kept) noexcept nogil:
    call.resume = resume
    call.kept = kept
    call.discard = discard
    call.generation = 77
    batch_lock.lock()
    batch.waiting.push_back(call.ticket)
    batch_lock.unlock()


cdef Outcome begin(void *state, Call *call) noexcept nogil:
    cdef Kept *kept = <Kept *> malloc(sizeof(Kept))
    batch_kept.fetch_add(1)
    kept.rounds = 1 if call.request_size and call.request[0] == c't' else 0
    kept.thread = call.thread
    kept.mono_ns = call.clock.mono_ns
    wait(<Batch *> state, call, kept)
    return OUTCOME_SUSPEND


cdef Outcome resume(
    void *state, Call *call, void *place, const uint8_t *result, size_t size
) noexcept nogil:
    cdef Kept *kept = <Kept *> place
    cdef bint same = kept.thread == call.thread and kept.mono_ns == call.clock.mono_ns
    cdef uint8_t *message
    if kept.rounds:
        kept.rounds -= 1
        wait(<Batch *> state, call, kept)
        return OUTCOME_SUSPEND
    discard(place)
    if not same:
        call.reply.status = 13
        return OUTCOME_ANSWER
    if call.request_size and call.request[0] == c'd':
        return OUTCOME_DEFER
    message = <uint8_t *> call.arena.take(size + call.request_size)
    memcpy(message, result, size)
    memcpy(message + size, call.request, call.request_size)
    call.reply.message = message
    call.reply.message_size = size + call.request_size
    return OUTCOME_ANSWER


cdef class BatchBackend(NativeHandler):
    """Answers result + request once `flush` brings the result."""
    cdef Batch batch

    def __cinit__(self):
        self.batch.waiting = new vector[Ticket]()

    def __dealloc__(self):
        del self.batch.waiting

    def __init__(self, uint32_t python_thread):
        self.function = begin
        self.state = &self.batch
        self.python_thread = python_thread

    @property
    def waiting(self):
        """Calls in the batch."""
        batch_lock.lock()
        size = self.batch.waiting.size()
        batch_lock.unlock()
        return size

    def flush(self, bytes result):
        """Deliver `result` to every waiting call, without the interpreter lock; their number."""
        cdef vector[Ticket] tickets
        cdef const uint8_t *place = <const uint8_t *> <char *> result
        cdef size_t size = len(result)
        cdef size_t i
        with nogil:
            batch_lock.lock()
            tickets.swap(self.batch.waiting[0])
            batch_lock.unlock()
            for i in range(tickets.size()):
                deliver(&tickets[i], place, size)
        return tickets.size()


def kept() -> int:
    """Continuations that nobody has resumed or discarded."""
    return batch_kept.load()
