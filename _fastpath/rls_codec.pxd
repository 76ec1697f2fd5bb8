from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t

from _fastpath.arena cimport Arena
from _fastpath.value cimport Entry
from _fastpath.wire cimport TextView, WireWriter


cdef extern from "rls_codec.hpp" namespace "tollhouse" nogil:
    const uint32_t NATIVE_MAX_DESCRIPTORS "tollhouse::MAX_DESCRIPTORS"
    const uint32_t NATIVE_MAX_ENTRIES "tollhouse::MAX_ENTRIES"

    cdef enum DecodeResult:
        DECODED, MALFORMED_REQUEST, TOO_LARGE_REQUEST

    cdef struct OverrideView:
        bint present
        uint32_t requests_per_unit
        int32_t unit
        uint32_t unit_multiplier

    cdef struct DescriptorView:
        Entry *entries
        uint32_t count
        bint has_hits
        bint is_negative
        uint64_t hits
        OverrideView limit

    cdef struct RequestView:
        TextView domain
        DescriptorView *descriptors
        uint32_t count
        uint32_t hits_addend

    DecodeResult decode_request(const uint8_t *data, size_t size, Arena *arena, RequestView *out)

    cdef struct StatusView:
        int32_t code
        TextView limit
        uint64_t remaining
        int64_t reset_ns

    cdef struct HeaderView:
        TextView key
        TextView value

    cdef struct ResponseView:
        int32_t code
        const StatusView *statuses
        uint32_t status_count
        const HeaderView *response_headers
        uint32_t response_header_count
        const HeaderView *request_headers
        uint32_t request_header_count
        TextView raw_body
        TextView dynamic_metadata

    void encode_current_limit(
        uint64_t max_value, int64_t window_ns, TextView name, WireWriter *writer)
    void encode_response(const ResponseView &response, WireWriter *writer)
