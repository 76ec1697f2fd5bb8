"""Answers: the response of a decided request, or the gRPC status of one that failed."""

from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport strlen

from _fastpath.arena cimport Arena
from _fastpath.counters cimport CounterHit
from _fastpath.handler cimport OUTCOME_ANSWER, Call, Outcome
from _fastpath.limit_index cimport Limit
from _fastpath.rate_limit_headers cimport MOST_HEADERS, ShownLimit, add_refusal, write_headers
from _fastpath.rls_codec cimport HeaderView, ResponseView, StatusView, encode_response
from _fastpath.rls_work cimport REPORT, SHOULD_RATE_LIMIT, Work
from _fastpath.wire cimport WireWriter


cdef enum Code:
    CODE_OK = 1
    CODE_OVER_LIMIT = 2


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


# One status per descriptor, with the most restrictive limit of each that clients are told of; NULL
# when the arena is exhausted.
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
        statuses[i].remaining = 0
    for i in range(work.applied + work.refusing):
        limit = work.owners[work.order[i]]
        home = min(limit.descriptor, count - 1)
        hit = &work.hits[work.order[i]]
        if limit.binding() and not hit.fits:
            statuses[home].code = CODE_OVER_LIMIT
        if statuses[home].limit.text != NULL or not limit.headers:
            continue
        if limit.unlimited:
            statuses[home].remaining = 0xffffffff
            continue
        statuses[home].limit.text = limit.current_limit.data()
        statuses[home].limit.size = <uint32_t> limit.current_limit.size()
        statuses[home].remaining = hit.remaining
        statuses[home].reset_ns = hit.reset_ns
    return statuses


# The headers of the limits that clients are told of; False when the arena is exhausted.
cdef bint fill_headers(Work *work, ResponseView *response) noexcept nogil:
    cdef uint32_t i, count = 0, most = work.applied + work.refusing
    if not most:
        return True
    cdef Arena *arena = work.call.arena
    cdef ShownLimit *shown = <ShownLimit *> arena.take(most * sizeof(ShownLimit))
    cdef HeaderView *headers = <HeaderView *> arena.take(MOST_HEADERS * sizeof(HeaderView))
    cdef const CounterHit *hit
    cdef const Limit *limit
    if shown == NULL or headers == NULL:
        return False
    for i in range(most):
        limit = work.owners[work.order[i]]
        if not limit.headers:
            continue
        hit = &work.hits[work.order[i]]
        shown[count].text = &limit.header_text
        shown[count].remaining = hit.remaining
        shown[count].reset_ns = hit.reset_ns
        shown[count].retry_ns = hit.retry_ns
        shown[count].refuses = limit.binding() and not hit.fits
        count += 1
    response.response_headers = headers
    return write_headers(
        work.decider.headers[0], shown, count, arena, headers, &response.response_header_count
    )


cdef Outcome answer(Work *work, const Limit *refused) noexcept nogil:
    cdef ResponseView response
    response.code = CODE_OK if refused == NULL else CODE_OVER_LIMIT
    response.statuses = NULL
    response.status_count = 0
    response.response_headers = NULL
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
    if work.decider.headers != NULL and work.method == SHOULD_RATE_LIMIT:
        if not fill_headers(work, &response):
            return fail_too_large(work.call)
    if refused != NULL and not add_refusal(refused.refusal, work.call.arena, &response):
        return fail_too_large(work.call)
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
