"""The native Check: from request bytes to answer bytes by the pipeline that rule.pyi states.

Nothing of a request outlives it and nothing is changed before the answer, so a request that needs
more memory than its arena has can be deferred at any point.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memcmp, memset

from _fastpath.attributes cimport begin_facts
from _fastpath.cells cimport Series
from _fastpath.check_codec cimport Answer, lookup_host, write_answer
from _fastpath.check_decision cimport (
    CODE_INTERNAL,
    CODE_INVALID_ARGUMENT,
    CODE_NOT_FOUND,
    CODE_RESOURCE_EXHAUSTED,
    CODE_UNAUTHENTICATED,
    CODE_UNAVAILABLE,
    STEP_FAILED,
    STEP_NO,
    STEP_DEFER,
    STEP_YES,
    Constant,
    Decision,
    Results,
    Step,
    Tables,
    decision_root,
    holds,
    view_of,
)
from _fastpath.check_denial cimport condition_failed
from _fastpath.check_identity cimport authenticate
from _fastpath.check_phases cimport authorize, fetch
from _fastpath.check_success cimport grant
from _fastpath.check_throttle cimport admit, count_failure
from _fastpath.check_view cimport (
    DECODE_MALFORMED,
    DECODED,
    CheckView,
    Decoded,
    MetadataItem,
    MetadataView,
    decode_check,
)
from _fastpath.handler cimport (
    OUTCOME_ANSWER,
    OUTCOME_DEFER,
    Call,
    NativeHandler,
    Outcome,
)
from _fastpath.host_index cimport HostName, HostOwner, Hosts, find_owner, normalize
from _fastpath.identity cimport IdentityTable
from _fastpath.plan cimport Plan, Plans
from _fastpath.remembered cimport RememberedTable
from _fastpath.rule cimport RuleData
from _fastpath.throttle cimport Throttle

from _fastpath.check_codec import INVALID_REQUEST, SERVICE_NOT_FOUND, encode_check_response

NOT_READY = "Not ready"

cdef const char *MALFORMED = b"malformed CheckRequest"
cdef const char *TOO_LARGE = b"CheckRequest has too many parts"
cdef const char *METRIC_LABELS = b"io.kuadrant.metrics.labels"
cdef size_t METRIC_LABELS_SIZE = 26


cdef inline Outcome answer_constant(Call *call, const Constant *constant) noexcept nogil:
    call.reply.message = <const uint8_t *> constant.message
    call.reply.message_size = constant.size
    return OUTCOME_ANSWER


cdef Outcome end_call(Call *call, int status, const char *detail, size_t size) noexcept nogil:
    call.reply.status = status
    call.reply.detail = detail
    call.reply.detail_size = size
    return OUTCOME_ANSWER


cdef Outcome answer_refused(
    Tables *tables, Call *call, const HostOwner *owner
) noexcept nogil:
    cdef Answer answer
    memset(&answer, 0, sizeof(Answer))
    answer.code = CODE_UNAVAILABLE
    answer.http_status = 503
    answer.has_reason = True
    answer.reason = view_of(owner.reason)
    tables.cells.add(call.thread, tables.unavailable_series, 1)
    if not write_answer(&answer, call.arena, &call.reply.message, &call.reply.message_size):
        return OUTCOME_DEFER
    return OUTCOME_ANSWER


cdef Step run(Decision *decision, bint *skipped) noexcept nogil:
    """The pipeline; the answer is filled unless the request is skipped or memory ran out."""
    cdef Step step = holds(decision, &decision.rule.when)
    if step == STEP_NO or step == STEP_FAILED and decision.rule.skip_failed_conditions:
        skipped[0] = True
        return STEP_YES
    if step == STEP_FAILED:
        return condition_failed(decision)
    if step == STEP_YES:
        step = admit(decision)
    if step == STEP_YES:
        step = authenticate(decision)
    if step == STEP_YES:
        step = fetch(decision)
    if step == STEP_YES:
        step = authorize(decision)
    if step == STEP_YES:
        step = grant(decision)
    return step


cdef Outcome answer_decision(Decision *decision, Call *call) noexcept nogil:
    cdef Tables *tables = decision.tables
    cdef uint32_t series, own
    if not write_answer(
            &decision.answer, call.arena, &call.reply.message, &call.reply.message_size):
        return OUTCOME_DEFER
    if decision.answer.code == 0:
        series = tables.ok_series
        own = decision.rule.ok_series
    elif decision.answer.code == CODE_UNAUTHENTICATED:
        series = tables.unauthenticated_series
        own = decision.rule.unauthenticated_series
        count_failure(decision)
    elif decision.answer.code == CODE_RESOURCE_EXHAUSTED:
        series = tables.exhausted_series
        own = decision.rule.exhausted_series
        tables.cells.add(
            call.thread, decision.rule.throttled_series[<int> decision.throttled], 1)
    else:
        series = tables.denied_series
        own = decision.rule.denied_series
    tables.cells.add(call.thread, series, 1)
    tables.cells.add(call.thread, own, 1)
    tables.cells.add(call.thread, decision.rule.total_series, 1)
    while decision.notes != NULL:
        tables.cells.add(call.thread, decision.notes.series, 1)
        decision.notes = decision.notes.next
    return OUTCOME_ANSWER


cdef Outcome decide(
    Tables *tables, Call *call, CheckView *view, const RuleData *rule
) noexcept nogil:
    cdef Decision decision
    cdef bint skipped = False
    cdef Outcome outcome
    cdef Step step
    memset(&decision.answer, 0, sizeof(Answer))
    begin_facts(&decision.facts, view, call.clock)
    decision.evaluation.arena = call.arena
    decision.evaluation.root = decision_root
    decision.evaluation.state = &decision
    decision.rule = rule
    decision.tables = tables
    decision.has_identity = False
    decision.held = NULL
    decision.notes = NULL
    decision.attempts = decision.last_attempt = NULL
    memset(&decision.metadata, 0, sizeof(Results))
    memset(&decision.granted, 0, sizeof(Results))
    decision.visible_groups = 0
    step = run(&decision, &skipped)
    if step == STEP_DEFER:
        outcome = OUTCOME_DEFER
    elif skipped:
        tables.cells.add(call.thread, tables.ok_series, 1)
        outcome = answer_constant(call, &tables.allowed)
    else:
        outcome = answer_decision(&decision, call)
    while decision.held != NULL:
        tables.identities.let_go(decision.held.value)
        decision.held = decision.held.next
    if outcome == OUTCOME_DEFER:
        tables.cells.add(call.thread, rule.deferred_series, 1)
    return outcome


cdef bint wants_labels(const MetadataView *metadata) noexcept nogil:
    """Whether the request's own metadata puts labels on its series, which the full lane does."""
    cdef uint32_t number
    cdef const MetadataItem *item
    for number in range(metadata.plain.count):
        item = &metadata.plain.items[number]
        if item.name.size == METRIC_LABELS_SIZE and memcmp(
                item.name.text, METRIC_LABELS, METRIC_LABELS_SIZE) == 0:
            return True
    return False


cdef Outcome check_request(void *state, Call *call) noexcept nogil:
    cdef Tables *tables = <Tables *> state
    cdef Plan *plan = tables.plans.read(call.thread)
    cdef CheckView view
    cdef HostName host
    cdef HostOwner *owner = NULL
    cdef Decoded decoded = decode_check(&view, call.arena, call.request, call.request_size)
    call.generation = plan.generation if plan != NULL else 0
    if decoded == DECODE_MALFORMED:
        return end_call(call, CODE_INTERNAL, MALFORMED, 22)
    if decoded != DECODED:
        return end_call(call, CODE_RESOURCE_EXHAUSTED, TOO_LARGE, 31)
    if not view.has_http:
        tables.cells.add(call.thread, tables.invalid_series, 1)
        return answer_constant(call, &tables.invalid)
    if plan == NULL:
        tables.cells.add(call.thread, tables.unavailable_series, 1)
        return answer_constant(call, &tables.not_ready)
    if plan.hosts != NULL:
        if not normalize(lookup_host(&view), call.arena, &host):
            return end_call(call, CODE_RESOURCE_EXHAUSTED, TOO_LARGE, 31)
        owner = find_owner(<const Hosts *> plan.hosts, &host)
    if owner == NULL:
        tables.cells.add(call.thread, tables.not_found_series, 1)
        return answer_constant(call, &tables.not_found)
    if owner.refused:
        return answer_refused(tables, call, owner)
    if owner.reason.size() or wants_labels(&view.metadata):
        tables.cells.add(call.thread, (<RuleData *> owner).deferred_series, 1)
        return OUTCOME_DEFER
    return decide(tables, call, &view, <const RuleData *> owner)


cdef Constant constant_of(bytes message) noexcept:
    cdef Constant constant
    constant.message = PyBytes_AS_STRING(message)
    constant.size = <size_t> PyBytes_GET_SIZE(message)
    return constant


cdef class CheckDecider:
    """Holds what the decisions of one process share; see check.pyi."""

    def __cinit__(
        self, Plans plans not None, IdentityTable identities not None, Series series not None,
        RememberedTable remembered=None, Throttle throttle=None,
    ):
        cdef NativeHandler handler = NativeHandler.__new__(NativeHandler)
        self.plans = plans
        self.identities = identities
        self.series = series
        self.remembered = RememberedTable() if remembered is None else remembered
        self.tables.plans = plans.store
        self.tables.identities = identities.table
        self.tables.remembered = self.remembered.table
        self.throttle = throttle
        self.tables.throttle = NULL
        if throttle is not None:
            self.tables.throttle = throttle.native
        self.tables.cells = series.cells
        self.constants = (
            encode_check_response(0),
            encode_check_response(
                CODE_INVALID_ARGUMENT, http_status=400, reason=INVALID_REQUEST),
            encode_check_response(CODE_NOT_FOUND, http_status=404, reason=SERVICE_NOT_FOUND),
            encode_check_response(CODE_UNAVAILABLE, http_status=503, reason=NOT_READY),
        )
        self.tables.allowed = constant_of(self.constants[0])
        self.tables.invalid = constant_of(self.constants[1])
        self.tables.not_found = constant_of(self.constants[2])
        self.tables.not_ready = constant_of(self.constants[3])
        self.register(series)
        handler.function = &check_request
        handler.state = &self.tables
        handler.owner = self
        handler.python_thread = plans.threads
        self.check = handler

    cdef void register(self, Series series) except *:
        name = "auth_server_response_status"
        self.tables.ok_series = series.id((name, "OK"))
        self.tables.unauthenticated_series = series.id((name, "UNAUTHENTICATED"))
        self.tables.denied_series = series.id((name, "PERMISSION_DENIED"))
        if self.throttle is not None:
            self.tables.exhausted_series = series.id((name, "RESOURCE_EXHAUSTED"))
        self.tables.not_found_series = series.id((name, "NOT_FOUND"))
        self.tables.unavailable_series = series.id((name, "UNAVAILABLE"))
        self.tables.invalid_series = series.id((name, "INVALID_ARGUMENT"))
