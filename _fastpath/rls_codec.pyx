"""Python edge of the rate limit codec; reading and writing themselves are rls_codec.hpp."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport INT64_MAX, UINT64_MAX, uint8_t, uint32_t

from _fastpath.arena cimport Arena
from _fastpath.value cimport Value
from _fastpath.wire cimport TextView, WireWriter

from _fastpath.errors import WireError
from _fastpath.rls_message import Descriptor, Override, RateLimitRequest

MAX_DESCRIPTORS = NATIVE_MAX_DESCRIPTORS
MAX_ENTRIES = NATIVE_MAX_ENTRIES


cdef str text_of(TextView view):
    return PyBytes_FromStringAndSize(view.text, view.size).decode()


cdef str value_text(Value value):
    return PyBytes_FromStringAndSize(value.text, value.size).decode()


cdef object descriptor_of(const DescriptorView *view):
    cdef uint32_t i
    entries = tuple([
        (value_text(view.entries[i].key), value_text(view.entries[i].value))
        for i in range(view.count)
    ])
    override = None
    if view.limit.present:
        override = Override(
            view.limit.requests_per_unit, view.limit.unit, view.limit.unit_multiplier)
    return Descriptor(
        entries, view.hits if view.has_hits else None, bool(view.is_negative), override)


def decode_rate_limit_request(bytes data):
    """Decode envoy.service.ratelimit.v3.RateLimitRequest, with the fields of Envoy 1.40."""
    cdef Arena arena
    cdef RequestView view
    cdef DecodeResult result = decode_request(
        <const uint8_t *> PyBytes_AS_STRING(data), <size_t> PyBytes_GET_SIZE(data), &arena, &view)
    if result == MALFORMED_REQUEST:
        raise WireError("malformed RateLimitRequest")
    if result == TOO_LARGE_REQUEST:
        raise WireError("too many descriptors or entries", too_large=True)
    cdef uint32_t i
    descriptors = tuple([descriptor_of(&view.descriptors[i]) for i in range(view.count)])
    return RateLimitRequest(text_of(view.domain), descriptors, view.hits_addend)


cdef TextView view_of(bytes data):
    cdef TextView view
    view.text = PyBytes_AS_STRING(data)
    view.size = <uint32_t> PyBytes_GET_SIZE(data)
    return view


cdef const HeaderView *header_views(headers, list alive, Arena *arena) except? NULL:
    cdef HeaderView *views = <HeaderView *> arena.take((len(headers) + 1) * sizeof(HeaderView))
    if views == NULL:
        raise MemoryError("too many headers")
    cdef bytes name, text
    for i, (key, value) in enumerate(headers):
        name, text = key.encode(), value.encode()
        alive += (name, text)
        views[<uint32_t> i].key = view_of(name)
        views[<uint32_t> i].value = view_of(text)
    return views


cdef int fill_status(StatusView *view, status, Arena *arena) except -1:
    view.code = status.code
    view.limit.text = NULL
    view.limit.size = 0
    view.reset_ns = 0
    if not 0 <= status.remaining <= UINT64_MAX:
        raise ValueError("a count is out of range")
    view.remaining = status.remaining
    limit = status.limit
    if limit is None:
        return 0
    if not 0 <= limit.max_value <= UINT64_MAX:
        raise ValueError("a count is out of range")
    if not 0 <= limit.window_ns <= INT64_MAX or not 0 <= status.reset_ns <= INT64_MAX:
        raise ValueError("a time is out of range")
    cdef bytes name = limit.name.encode()
    cdef WireWriter *writer = new WireWriter(arena, 64)
    try:
        encode_current_limit(limit.max_value, limit.window_ns, view_of(name), writer)
        if writer.failed:
            raise MemoryError("the answer is too large")
        view.limit.text = <const char *> writer.data()
        view.limit.size = <uint32_t> writer.size()
    finally:
        del writer
    view.reset_ns = status.reset_ns
    return 0


def encode_rate_limit_response(response):
    """Encode envoy.service.ratelimit.v3.RateLimitResponse."""
    cdef Arena arena
    cdef ResponseView view
    cdef uint32_t i
    cdef list alive = []
    cdef tuple statuses = tuple(response.statuses)
    cdef StatusView *status_views = <StatusView *> arena.take(
        (len(statuses) + 1) * sizeof(StatusView))
    if status_views == NULL:
        raise MemoryError("too many statuses")
    for i in range(<uint32_t> len(statuses)):
        fill_status(&status_views[i], statuses[i], &arena)
    view.code = response.code
    view.statuses = status_views
    view.status_count = <uint32_t> len(statuses)
    view.response_headers = header_views(response.response_headers, alive, &arena)
    view.response_header_count = <uint32_t> len(response.response_headers)
    view.request_headers = header_views(response.request_headers, alive, &arena)
    view.request_header_count = <uint32_t> len(response.request_headers)
    view.raw_body = view_of(response.raw_body)
    view.dynamic_metadata.text = NULL
    view.dynamic_metadata.size = 0
    if response.dynamic_metadata is not None:
        view.dynamic_metadata = view_of(response.dynamic_metadata)
    cdef WireWriter *writer = new WireWriter(&arena, 512)
    try:
        encode_response(view, writer)
        if writer.failed:
            raise MemoryError("the answer is too large")
        return PyBytes_FromStringAndSize(<const char *> writer.data(), writer.size())
    finally:
        del writer
