from libc.stddef cimport size_t

from _fastpath.transport cimport Event, EventKind, Stream

cdef void address(Event *event, Stream *stream, EventKind kind) noexcept nogil
cdef void tell(Stream *stream, EventKind kind, size_t amount) noexcept nogil
cdef void tell_message(Stream *stream, const char *message, size_t size) noexcept nogil
cdef bint introduce(Stream *stream, Event *event) noexcept nogil
cdef void drop_work(Stream *stream) noexcept nogil
