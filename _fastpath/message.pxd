from libc.stddef cimport size_t
from libc.stdint cimport uint8_t

from _fastpath.transport cimport Stream

cdef void receive_part(Stream *stream, size_t size) noexcept nogil
cdef void hold(Stream *stream, size_t size) noexcept nogil
cdef bint check_prefix(Stream *stream, const uint8_t *frame, size_t size) noexcept nogil
cdef void take_messages(Stream *stream) noexcept nogil
