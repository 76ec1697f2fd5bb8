"""Attempts to authenticate in the native Check: who has failed too often has to wait."""

from libc.stdint cimport int64_t, uint32_t

from _fastpath.check_decision cimport (
    CODE_RESOURCE_EXHAUSTED,
    STEP_DEFER,
    STEP_NO,
    STEP_YES,
    Attempt,
    Decision,
    Step,
    literal,
    view_of,
)
from _fastpath.check_view cimport Pair
from _fastpath.credential cimport find_credential
from _fastpath.rule cimport AuthenticationRule, RuleData
from _fastpath.text cimport uint_text
from _fastpath.throttle cimport SUSPECT_CREDENTIAL, SUSPECT_SOURCE, NativeThrottle, Suspect
from _fastpath.value cimport ERROR, Value
from _fastpath.wire cimport TextView

cdef int64_t SECOND = 1_000_000_000


cdef bint add_attempt(Decision *decision, Suspect suspect, TextView text) noexcept nogil:
    cdef NativeThrottle *throttle = decision.tables.throttle
    cdef Attempt *attempt
    if not throttle.counts(suspect):
        return True
    attempt = <Attempt *> decision.facts.arena.take(sizeof(Attempt))
    if attempt == NULL:
        return False
    attempt.suspect = suspect
    attempt.key = throttle.key(suspect, view_of(decision.rule.id), text)
    attempt.next = NULL
    if decision.last_attempt == NULL:
        decision.attempts = attempt
    else:
        decision.last_attempt.next = attempt
    decision.last_attempt = attempt
    return True


cdef bint presented(
    Decision *decision, const AuthenticationRule *entry, TextView *credential
) noexcept nogil:
    """What the request has for this entry: the id that goes with its key, or the credential."""
    if not entry.takes_credential or not find_credential(
            &decision.facts, entry.place, view_of(entry.credential), credential):
        return False
    if entry.paired:
        return find_credential(
            &decision.facts, entry.app_id_place, view_of(entry.app_id), credential)
    return True


cdef bint find_attempts(Decision *decision) noexcept nogil:
    """The source first, then the credentials in order of declaration; False without memory."""
    cdef const RuleData *rule = decision.rule
    cdef TextView source = decision.facts.view.source.address.host
    cdef TextView credential
    cdef bint tried = False
    cdef uint32_t i
    for i in range(<uint32_t> rule.authentication.size()):
        if not presented(decision, &rule.authentication[i], &credential):
            continue
        if not tried and source.size and not add_attempt(decision, SUSPECT_SOURCE, source):
            return False
        tried = True
        if not add_attempt(decision, SUSPECT_CREDENTIAL, credential):
            return False
    return True


cdef Step refuse_attempt(Decision *decision, Suspect suspect, int64_t retry_ns) noexcept nogil:
    cdef Value seconds = uint_text(
        <unsigned long long> ((retry_ns + SECOND - 1) // SECOND), decision.facts.arena)
    cdef Pair *header = <Pair *> decision.facts.arena.take(sizeof(Pair))
    if seconds.kind == ERROR or header == NULL:
        return STEP_DEFER
    header.name = literal(b"Retry-After", 11)
    header.value = literal(seconds.text, seconds.size)
    decision.answer.code = CODE_RESOURCE_EXHAUSTED
    decision.answer.http_status = 429
    decision.answer.headers = header
    decision.answer.header_count = 1
    decision.answer.has_reason = True
    decision.answer.reason = literal(b"too many failed authentications", 31)
    decision.throttled = suspect
    return STEP_NO


cdef Step admit(Decision *decision) noexcept nogil:
    cdef NativeThrottle *throttle = decision.tables.throttle
    cdef const Attempt *attempt
    cdef int64_t retry_ns
    if throttle == NULL:
        return STEP_YES
    if not find_attempts(decision):
        return STEP_DEFER
    attempt = decision.attempts
    while attempt != NULL:
        retry_ns = throttle.blocked(attempt.suspect, attempt.key, decision.facts.clock)
        if retry_ns:
            return refuse_attempt(decision, attempt.suspect, retry_ns)
        attempt = attempt.next
    return STEP_YES


cdef void count_failure(Decision *decision) noexcept nogil:
    cdef const Attempt *attempt = decision.attempts
    while attempt != NULL:
        decision.tables.throttle.failed(attempt.suspect, attempt.key, decision.facts.clock)
        attempt = attempt.next
