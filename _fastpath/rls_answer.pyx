"""Answers: the response of a decided request, or the gRPC status of one that failed."""

from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport strlen

from _fastpath.arena cimport Arena
from _fastpath.counters cimport CounterHit
from _fastpath.handler cimport OUTCOME_ANSWER, Call, Outcome
from _fastpath.limit_index cimport Limit
from _fastpath.rls_codec cimport HeaderView, ResponseView, StatusView, encode_response
from _fastpath.rls_work cimport REPORT, SHOULD_RATE_LIMIT, Work
from _fastpath.wire cimport WireWriter

cdef extern from "rls.hpp" namespace "tollhouse" nogil:
    bint draft03_headers(const uint32_t *order, uint32_t count, const CounterHit *hits,
                         const Limit **owners, Arena *arena, HeaderView *headers)


cdef enum GrpcStatus:
    RESOURCE_EXHAUSTED = 8
    INTERNAL = 13
    UNAVAILABLE = 14


cdef Outcome fail(Call *call, GrpcStatus status, const char *detail) noexcept nogil:
    call.reply.status = status
    call.reply.detail = detail
    call.reply.detail_size = strlen(detail)
    return OUTCOME_ANSWER


cdef Outcome fail_malformed(Call *call) noexcept nogil:
    return fail(call, INTERNAL, b"malformed RateLimitRequest")


cdef Outcome fail_too_large(Call *call) noexcept nogil:
    return fail(call, RESOURCE_EXHAUSTED, b"too many descriptors or entries")


cdef Outcome fail_unavailable(Call *call) noexcept nogil:
    return fail(call, UNAVAILABLE, b"Service unavailable")


# One status per descriptor, the most restrictive limit of each; NULL when the arena is exhausted.
cdef StatusView *fill_statuses(Work *work) noexcept nogil:
    cdef uint32_t i, home, count = work.request.count
    cdef StatusView *statuses = <StatusView *> work.call.arena.take(count * sizeof(StatusView))
    cdef const Limit *limit
    cdef const CounterHit *hit
    if statuses == NULL:
        return NULL
    for i in range(count):
        statuses[i].code = CODE_OK
        statuses[i].limit.text = NULL
        statuses[i].limit.size = 0
    for i in range(work.applied + work.refusing):
        limit = work.owners[work.order[i]]
        home = min(limit.descriptor, count - 1)
        if statuses[home].limit.text != NULL:
            continue
        hit = &work.hits[work.order[i]]
        statuses[home].code = CODE_OK if hit.fits else CODE_OVER_LIMIT
        statuses[home].limit.text = limit.current_limit.data()
        statuses[home].limit.size = <uint32_t> limit.current_limit.size()
        statuses[home].remaining = hit.remaining
        statuses[home].reset_ns = hit.reset_ns
    return statuses


cdef Outcome answer(Work *work, Code code) noexcept nogil:
    cdef ResponseView response
    cdef HeaderView headers[3]
    cdef uint32_t shown = work.applied + work.refusing
    response.code = code
    response.statuses = NULL
    response.status_count = 0
    response.response_headers = headers
    response.response_header_count = 0
    response.request_headers = NULL
    response.request_header_count = 0
    response.raw_body.text = response.dynamic_metadata.text = NULL
    response.raw_body.size = response.dynamic_metadata.size = 0
    if work.decider.statuses and work.method != REPORT and work.request.count:
        response.statuses = fill_statuses(work)
        response.status_count = work.request.count
        if response.statuses == NULL:
            return fail_too_large(work.call)
    if work.decider.headers and work.method == SHOULD_RATE_LIMIT and shown:
        if not draft03_headers(
            work.order, shown, work.hits, work.owners, work.call.arena, headers
        ):
            return fail_too_large(work.call)
        response.response_header_count = 3
    return write(work.call, response)


cdef Outcome write(Call *call, const ResponseView &response) noexcept nogil:
    cdef WireWriter writer = WireWriter(call.arena, 512)
    encode_response(response, &writer)
    if writer.failed:
        return fail_too_large(call)
    call.reply.status = 0
    call.reply.message = writer.data()
    call.reply.message_size = writer.size()
    return OUTCOME_ANSWER


cdef Outcome write_empty(Call *call) noexcept nogil:
    call.reply.status = 0
    call.reply.message = <const uint8_t *> <const char *> b""
    call.reply.message_size = 0
    return OUTCOME_ANSWER
