from libc.stddef cimport size_t
from libc.stdint cimport uint8_t

from _fastpath.transport cimport Stream

cdef bint put_message(Stream *stream, const uint8_t *message, size_t size) noexcept nogil
cdef void send_head(Stream *stream) noexcept nogil
cdef void answer(Stream *stream, const uint8_t *message, size_t size) noexcept nogil
cdef void finish_with(Stream *stream, int status) noexcept nogil
cdef void fail(Stream *stream, int status, const char *text) noexcept nogil
cdef void time_out(Stream *stream) noexcept nogil
cdef void refuse(Stream *stream) noexcept nogil
