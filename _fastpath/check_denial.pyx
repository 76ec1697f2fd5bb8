"""Denials of the native Check."""

from libc.stdint cimport uint32_t

from _fastpath.check_decision cimport (
    CODE_PERMISSION_DENIED,
    CODE_UNAUTHENTICATED,
    STEP_NO,
    STEP_DEFER,
    STEP_YES,
    Decision,
    Step,
    literal,
    resolve_text,
    view_of,
)
from _fastpath.check_view cimport Pair
from _fastpath.rule cimport DenialRule
from _fastpath.wire cimport TextView


cdef Step custom_headers(Decision *decision, const DenialRule *custom) noexcept nogil:
    cdef uint32_t count = <uint32_t> custom.headers.size(), i
    cdef Pair *headers = <Pair *> decision.facts.arena.take((count + 1) * sizeof(Pair))
    if headers == NULL:
        return STEP_DEFER
    for i in range(count):
        headers[i].name = view_of(custom.headers[i].name)
        if resolve_text(
                decision, &custom.headers[i].source, &headers[i].value) == STEP_DEFER:
            return STEP_DEFER
    decision.answer.headers = headers
    decision.answer.header_count = count
    return STEP_YES


cdef Step challenges(Decision *decision) noexcept nogil:
    cdef uint32_t count = <uint32_t> decision.rule.authentication.size(), i
    cdef Pair *headers = <Pair *> decision.facts.arena.take(count * sizeof(Pair))
    if headers == NULL:
        return STEP_DEFER
    for i in range(count):
        headers[i].name = literal(b"WWW-Authenticate", 16)
        headers[i].value = view_of(decision.rule.authentication[i].challenge)
    decision.answer.headers = headers
    decision.answer.header_count = count
    return STEP_YES


cdef Step deny(
    Decision *decision, const DenialRule *custom, int code, int http_status, TextView reason
) noexcept nogil:
    """Fill the answer; STEP_NO, or STEP_DEFER."""
    decision.answer.code = code
    decision.answer.http_status = custom.code if custom.code else http_status
    decision.answer.has_reason = True
    decision.answer.reason = reason
    if custom.message.given():
        if resolve_text(decision, &custom.message, &decision.answer.reason) == STEP_DEFER:
            return STEP_DEFER
    if custom.body.given():
        if resolve_text(decision, &custom.body, &decision.answer.body) == STEP_DEFER:
            return STEP_DEFER
    if custom.has_headers:
        if custom_headers(decision, custom) == STEP_DEFER:
            return STEP_DEFER
    elif code == CODE_UNAUTHENTICATED and challenges(decision) == STEP_DEFER:
        return STEP_DEFER
    return STEP_NO


cdef Step condition_failed(Decision *decision) noexcept nogil:
    return deny(
        decision, &decision.rule.unauthorized, CODE_PERMISSION_DENIED, 403,
        literal(b"condition could not be evaluated", 32))
