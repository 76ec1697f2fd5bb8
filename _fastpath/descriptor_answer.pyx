"""Answers: code, statuses and headers of a request whose descriptors are decided."""

from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memset

from _fastpath.descriptor_work cimport SHADOWED, Counted, Work, whole_number
from _fastpath.handler cimport OUTCOME_ANSWER, Call, Outcome
from _fastpath.rls_answer cimport fail_too_large
from _fastpath.rls_codec cimport HeaderView, ResponseView, StatusView, encode_response
from _fastpath.wire cimport WireWriter


cdef enum Code:
    CODE_OK = 1
    CODE_OVER_LIMIT = 2


cdef bint is_over(const Counted *counted) noexcept nogil:
    return counted.facts != NULL and not counted.hit.fits and not counted.facts.shadow


cdef bint in_quota_mode(const Work *work, const Counted *counted) noexcept nogil:
    return work.decider.quota or (counted.facts != NULL and counted.facts.quota_mode)


cdef bint over_limit(const Work *work) noexcept nogil:
    cdef uint32_t i, quotas = 0, over = 0
    cdef const Counted *counted
    for i in range(work.request.count):
        counted = &work.counted[i]
        if counted.unlimited:
            continue
        if not in_quota_mode(work, counted):
            if is_over(counted):
                return True
            continue
        quotas += 1
        over += is_over(counted)
    return quotas > 0 and over == quotas


cdef StatusView *fill_statuses(Work *work) noexcept nogil:
    cdef uint32_t i, count = work.request.count
    cdef StatusView *statuses = <StatusView *> work.call.arena.take(count * sizeof(StatusView))
    cdef const Counted *counted
    cdef int64_t second = 1_000_000_000
    if statuses == NULL:
        return NULL
    memset(statuses, 0, count * sizeof(StatusView))
    for i in range(count):
        counted = &work.counted[i]
        statuses[i].code = CODE_OVER_LIMIT if is_over(counted) else CODE_OK
        if counted.unlimited:
            statuses[i].remaining = 0xffffffff
        if counted.facts == NULL:
            continue
        statuses[i].limit = counted.facts.current_limit
        statuses[i].remaining = counted.hit.remaining if counted.hit.fits else 0
        statuses[i].reset_ns = (counted.hit.reset_ns + second - 1) // second * second
    return statuses


# Of the descriptor that the headers tell; the count stays 0 where none has a limit.
cdef bint fill_headers(
    Work *work, const StatusView *statuses, HeaderView *headers, uint32_t *count
) noexcept nogil:
    cdef uint64_t least = 0xffffffff
    cdef const Counted *counted
    cdef const Counted *shown = NULL
    cdef uint32_t i, at = 0
    for i in range(work.request.count):
        counted = &work.counted[i]
        if counted.facts == NULL:
            continue
        if statuses[i].remaining < least:
            shown, least, at = counted, statuses[i].remaining, i
        if is_over(counted) and not in_quota_mode(work, counted):
            shown, least, at = counted, 0, i
    if shown == NULL:
        return True
    for i in range(3):
        headers[i].key = work.decider.names[i]
    headers[0].value = shown.facts.max_text
    count[0] = 3
    return (
        whole_number(statuses[at].remaining, work.call.arena, &headers[1].value)
        and whole_number(
            <uint64_t> (statuses[at].reset_ns // 1_000_000_000), work.call.arena,
            &headers[2].value)
    )


cdef Outcome answer(Work *work) noexcept nogil:
    cdef ResponseView response
    cdef HeaderView headers[3]
    cdef Call *call = work.call
    cdef WireWriter writer
    memset(&response, 0, sizeof(response))
    response.code = CODE_OVER_LIMIT if over_limit(work) else CODE_OK
    if response.code == CODE_OVER_LIMIT and work.decider.shadow:
        response.code = CODE_OK
        work.decider.cells.add(call.thread, work.decider.events[<int> SHADOWED], 1)
    cdef StatusView *statuses = fill_statuses(work)
    if statuses == NULL:
        return fail_too_large(call)
    response.statuses = statuses
    response.status_count = work.request.count
    response.response_headers = headers
    if work.decider.headers:
        if not fill_headers(work, statuses, headers, &response.response_header_count):
            return fail_too_large(call)
    writer = WireWriter(call.arena, 512)
    encode_response(response, &writer)
    if writer.failed:
        return fail_too_large(call)
    call.reply.status = 0
    call.reply.message = writer.data()
    call.reply.message_size = writer.size()
    return OUTCOME_ANSWER
