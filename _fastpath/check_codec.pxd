from libc.stdint cimport uint8_t, uint32_t

from _fastpath.arena cimport Arena
from _fastpath.attributes cimport Facts
from _fastpath.check_view cimport CheckView, Pair
from _fastpath.value cimport Value
from _fastpath.wire cimport TextView


# A CheckResponse before it is written; see encode_check_response for the meaning of the parts.
cdef struct Answer:
    int code
    int http_status
    const Pair *headers
    uint32_t header_count
    bint has_reason
    TextView reason
    TextView body
    const Pair *response_headers
    uint32_t response_header_count
    bint has_metadata
    Value metadata          # a MAP with string keys


cdef bint write_answer(
    const Answer *answer, Arena *arena, const uint8_t **message, size_t *size
) noexcept nogil

cdef TextView lookup_host(const CheckView *view) noexcept nogil


cdef class CheckRequest:
    cdef bytes data
    cdef Arena *arena
    cdef CheckView view
    cdef Facts facts
    cdef object root(self, uint32_t slot)
