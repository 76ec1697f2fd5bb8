"""From an I/O thread to the interpreter: new calls and the news of running ones."""
from libc.stddef cimport size_t

from _fastpath.transport cimport *


cdef void address(Event *event, Stream *stream, EventKind kind) noexcept nogil:
    event.kind = kind
    event.thread = stream.connection.thread.number
    event.connection = stream.connection.id
    event.stream = stream.id
    event.call = stream.call


cdef void tell(Stream *stream, EventKind kind, size_t amount) noexcept nogil:
    cdef Event event
    address(&event, stream, kind)
    event.amount = amount
    stream.connection.thread.server.handover.put_news(event)


cdef void tell_message(Stream *stream, const char *message, size_t size) noexcept nogil:
    cdef Event event
    address(&event, stream, STREAM_MESSAGE)
    event.payload.assign(message, size)
    stream.connection.thread.server.handover.put_news(event)


cdef bint introduce(Stream *stream, Event *event) noexcept nogil:
    """Post a new call; False when the bounds of the hand-over refuse it."""
    cdef IoThread *thread = stream.connection.thread
    event.method = stream.method.index
    event.deadline_ns = stream.deadline_ns
    event.metadata.assign(<const char *> stream.metadata.data, stream.metadata.size)
    event.peer = stream.connection.peer
    if not thread.server.handover.put_call(event[0], thread.server.bounds):
        count(thread.stats.overloaded)
        return False
    count(thread.stats.handed_over)
    return True


cdef void drop_work(Stream *stream) noexcept nogil:
    """Tell whoever works on this call that nobody waits for it any more."""
    if stream.resume == NULL:
        tell(stream, CANCELLED, 0)
        return
    if stream.discard != NULL:
        stream.discard(stream.kept)
    stream.resume = NULL
