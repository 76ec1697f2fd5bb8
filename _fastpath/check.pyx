"""The native Check: from request bytes to answer bytes by the pipeline that rule.pyi states.

Nothing of a request outlives it and nothing is changed before the answer, so a request that needs
more memory than its arena has can be deferred at any point.

It is one piece beyond the usual length because the steps share one state on the stack.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memcpy, memset
from libcpp.string cimport string

from _fastpath.arena cimport Arena
from _fastpath.attributes cimport (
    ROOT_AUTH,
    Fields,
    attribute_root,
    begin_facts,
    close_fields,
    open_fields,
    put,
    sort_entries,
)
from _fastpath.cells cimport Series
from _fastpath.check_codec cimport lookup_host, write_answer
from _fastpath.check_view cimport DECODE_MALFORMED, DECODED, CheckView, Decoded, Pair, decode_check
from _fastpath.credential cimport find_credential
from _fastpath.document cimport Document, NativeDocument
from _fastpath.handler cimport (
    OUTCOME_ANSWER,
    OUTCOME_DEFER,
    Call,
    NativeHandler,
    Outcome,
)
from _fastpath.host_index cimport HostName, HostOwner, Hosts, find_owner, normalize
from _fastpath.identity cimport IdentityTable
from _fastpath.json_form cimport json_form
from _fastpath.plan cimport Plan, Plans
from _fastpath.program cimport Program, evaluate
from _fastpath.rule cimport (
    CONDITION_ANY,
    CONDITION_TEST,
    AuthenticationRule,
    AuthorizationRule,
    DenialRule,
    RuleCondition,
    RuleConditions,
    RuleData,
    RuleSource,
    SuccessRule,
)
from _fastpath.text cimport value_json, value_text
from _fastpath.value cimport (
    BOOL,
    ERROR,
    NULL_VALUE,
    OUT_OF_MEMORY,
    STRING,
    Entry,
    Value,
    bool_value,
    error_value,
    map_value,
    string_value,
)
from _fastpath.wire cimport TextView

from _fastpath.check_codec import INVALID_REQUEST, SERVICE_NOT_FOUND, encode_check_response

NOT_READY = "Not ready"

# Of google.rpc.Code.
cdef enum:
    CODE_INVALID_ARGUMENT = 3
    CODE_NOT_FOUND = 5
    CODE_PERMISSION_DENIED = 7
    CODE_RESOURCE_EXHAUSTED = 8
    CODE_INTERNAL = 13
    CODE_UNAVAILABLE = 14
    CODE_UNAUTHENTICATED = 16

# How a step of the pipeline went.
cdef enum Step:
    STEP_NO                 # false, or ended with a denial
    STEP_YES
    STEP_FAILED             # evaluation error
    STEP_NO_MEMORY

cdef NativeDocument ANONYMOUS = NativeDocument({"anonymous": True})

cdef const char *MALFORMED = b"malformed CheckRequest"
cdef const char *TOO_LARGE = b"CheckRequest has too many parts"


cdef inline TextView literal(const char *text, uint32_t size) noexcept nogil:
    cdef TextView view
    view.text = text
    view.size = size
    return view


cdef inline TextView view_of(const string &text) noexcept nogil:
    return literal(text.data(), <uint32_t> text.size())


cdef inline Value name_value(const string &name) noexcept nogil:
    return string_value(name.data(), <uint32_t> name.size())


# What expressions see of the decision itself.

cdef Value granted_value(Decision *decision) noexcept nogil:
    cdef Entry *entries = <Entry *> decision.facts.arena.take(
        decision.granted_visible * sizeof(Entry))
    if entries == NULL:
        return error_value(OUT_OF_MEMORY)
    memcpy(entries, decision.granted, decision.granted_visible * sizeof(Entry))
    return map_value(entries, sort_entries(entries, decision.granted_visible), True)


cdef bint shadowed(const Decision *decision, uint32_t index) noexcept nogil:
    """A visible item evaluated later has the same name."""
    cdef const SuccessRule *rule
    cdef const SuccessRule *own = &decision.rule.success[index]
    cdef uint32_t i
    for i in range(<uint32_t> decision.rule.success.size()):
        rule = &decision.rule.success[i]
        if decision.items[i].present and rule.group < decision.visible_groups and (
                rule.group > own.group or rule.group == own.group and i > index) and (
                rule.name == own.name):
            return True
    return False


cdef Value response_value(Decision *decision) noexcept nogil:
    cdef uint32_t total = <uint32_t> decision.rule.success.size(), count = 0, i
    cdef Entry *entries = <Entry *> decision.facts.arena.take(total * sizeof(Entry))
    if entries == NULL:
        return error_value(OUT_OF_MEMORY)
    for i in range(total):
        if not decision.items[i].present or (
                decision.rule.success[i].group >= decision.visible_groups) or shadowed(decision, i):
            continue
        entries[count].key = name_value(decision.rule.success[i].name)
        entries[count].value = decision.items[i].value
        count += 1
    return map_value(entries, sort_entries(entries, count), True)


cdef Value auth_value(Decision *decision) noexcept nogil:
    cdef Fields fields
    cdef Value granted, response
    if not open_fields(&fields, 3, decision.facts.arena):
        return error_value(OUT_OF_MEMORY)
    if decision.granted_visible:
        granted = granted_value(decision)
        if granted.kind == ERROR:
            return granted
        put(&fields, b"authorization", 13, granted)
    if decision.has_identity:
        put(&fields, b"identity", 8, decision.identity)
    if decision.visible_groups:
        response = response_value(decision)
        if response.kind == ERROR:
            return response
        if response.size:
            put(&fields, b"response", 8, response)
    return close_fields(&fields)


cdef Value decision_root(void *state, uint32_t slot) noexcept nogil:
    cdef Decision *decision = <Decision *> state
    if slot != ROOT_AUTH:
        return attribute_root(&decision.facts, slot)
    if not decision.facts.built & (<uint32_t> 1 << ROOT_AUTH):
        decision.facts.roots[<int> ROOT_AUTH] = auth_value(decision)
        decision.facts.built |= <uint32_t> 1 << ROOT_AUTH
    return decision.facts.roots[<int> ROOT_AUTH]


cdef inline void auth_changed(Decision *decision) noexcept nogil:
    decision.facts.built &= ~(<uint32_t> 1 << ROOT_AUTH)


# Conditions and values.

cdef Step step_of(Value value) noexcept nogil:
    if value.kind == BOOL:
        return STEP_YES if value.boolean else STEP_NO
    if value.kind == ERROR and value.code == OUT_OF_MEMORY:
        return STEP_NO_MEMORY
    return STEP_FAILED


cdef Step group_holds(
    Decision *decision, const RuleCondition *nodes, uint32_t at, uint32_t end, bint any
) noexcept nogil:
    """From the left, the first item that is not the neutral one decides."""
    cdef Step step
    while at < end:
        if nodes[at].kind == CONDITION_TEST:
            step = step_of(evaluate(<const Program *> nodes[at].program, &decision.evaluation))
        else:
            step = group_holds(
                decision, nodes, at + 1, nodes[at].end, nodes[at].kind == CONDITION_ANY)
        if step != (STEP_NO if any else STEP_YES):
            return step
        at = nodes[at].end
    return STEP_NO if any else STEP_YES


cdef inline Step holds(Decision *decision, const RuleConditions *conditions) noexcept nogil:
    if conditions.nodes.size() == 0:
        return STEP_YES
    return group_holds(
        decision, conditions.nodes.data(), 0, <uint32_t> conditions.nodes.size(), False)


cdef Value resolve(Decision *decision, const RuleSource *source) noexcept nogil:
    if source.program != NULL:
        return evaluate(<const Program *> source.program, &decision.evaluation)
    return (<const Document *> source.document).root


cdef Step resolve_text(
    Decision *decision, const RuleSource *source, TextView *text
) noexcept nogil:
    """Text of a denial's part; empty when it fails."""
    cdef Value value = value_text(resolve(decision, source), decision.facts.arena)
    if value.kind == STRING:
        text[0] = literal(value.text, value.size)
        return STEP_YES
    text[0] = literal(b"", 0)
    return STEP_NO_MEMORY if value.code == OUT_OF_MEMORY else STEP_YES


# Denials.

cdef Step custom_headers(Decision *decision, const DenialRule *custom) noexcept nogil:
    cdef uint32_t count = <uint32_t> custom.headers.size(), i
    cdef Pair *headers = <Pair *> decision.facts.arena.take((count + 1) * sizeof(Pair))
    if headers == NULL:
        return STEP_NO_MEMORY
    for i in range(count):
        headers[i].name = view_of(custom.headers[i].name)
        if resolve_text(
                decision, &custom.headers[i].source, &headers[i].value) == STEP_NO_MEMORY:
            return STEP_NO_MEMORY
    decision.answer.headers = headers
    decision.answer.header_count = count
    return STEP_YES


cdef Step challenges(Decision *decision) noexcept nogil:
    cdef uint32_t count = <uint32_t> decision.rule.authentication.size(), i
    cdef Pair *headers = <Pair *> decision.facts.arena.take(count * sizeof(Pair))
    if headers == NULL:
        return STEP_NO_MEMORY
    for i in range(count):
        headers[i].name = literal(b"WWW-Authenticate", 16)
        headers[i].value = view_of(decision.rule.authentication[i].challenge)
    decision.answer.headers = headers
    decision.answer.header_count = count
    return STEP_YES


cdef Step deny(
    Decision *decision, const DenialRule *custom, int code, int http_status, TextView reason
) noexcept nogil:
    """Fill the answer; STEP_NO, or STEP_NO_MEMORY."""
    decision.answer.code = code
    decision.answer.http_status = custom.code if custom.code else http_status
    decision.answer.has_reason = True
    decision.answer.reason = reason
    if custom.message.given():
        if resolve_text(decision, &custom.message, &decision.answer.reason) == STEP_NO_MEMORY:
            return STEP_NO_MEMORY
    if custom.body.given():
        if resolve_text(decision, &custom.body, &decision.answer.body) == STEP_NO_MEMORY:
            return STEP_NO_MEMORY
    if custom.has_headers:
        if custom_headers(decision, custom) == STEP_NO_MEMORY:
            return STEP_NO_MEMORY
    elif code == CODE_UNAUTHENTICATED and challenges(decision) == STEP_NO_MEMORY:
        return STEP_NO_MEMORY
    return STEP_NO


cdef Step condition_failed(Decision *decision) noexcept nogil:
    return deny(
        decision, &decision.rule.unauthorized, CODE_PERMISSION_DENIED, 403,
        literal(b"condition could not be evaluated", 32))


# Authentication.

cdef TextView authenticate_entry(
    Decision *decision, const AuthenticationRule *entry
) noexcept nogil:
    """Sets the identity, or returns the error text of the entry."""
    cdef TextView credential
    if entry.anonymous:
        decision.identity = (<Document *> ANONYMOUS.pointer).root
        decision.has_identity = True
        return literal(NULL, 0)
    if not find_credential(&decision.facts, entry.place, view_of(entry.credential), &credential):
        return literal(b"credential not found", 20)
    decision.held = decision.tables.identities.find(
        decision.tables.identities.digest(entry.key_set, credential.text, credential.size))
    if decision.held == NULL:
        return literal(b"the API Key provided is invalid", 31)
    decision.identity = (<Document *> decision.held).root
    decision.has_identity = True
    return literal(NULL, 0)


cdef bint reasons_text(
    Decision *decision, const TextView *errors, TextView *reason
) noexcept nogil:
    """A JSON object of the entries that were evaluated; the error texts need no escapes."""
    cdef const RuleData *rule = decision.rule
    cdef size_t size = 2
    cdef uint32_t i, entry
    cdef TextView name
    cdef char *out
    cdef char *at
    for i in range(<uint32_t> rule.authentication.size()):
        if errors[i].text != NULL:
            size += rule.authentication[i].json_name.size() + errors[i].size + 4
    out = at = <char *> decision.facts.arena.take(size)
    if out == NULL:
        return False
    at[0] = c"{"
    at += 1
    for i in range(<uint32_t> rule.reason_order.size()):
        entry = rule.reason_order[i]
        if errors[entry].text == NULL:
            continue
        if at > out + 1:
            at[0] = c","
            at += 1
        name = view_of(rule.authentication[entry].json_name)
        memcpy(at, name.text, name.size)
        at += name.size
        memcpy(at, b':"', 2)
        memcpy(at + 2, errors[entry].text, errors[entry].size)
        at += 2 + errors[entry].size
        at[0] = c'"'
        at += 1
    at[0] = c"}"
    reason[0] = literal(out, <uint32_t> (at + 1 - out))
    return True


cdef Step authenticate(Decision *decision) noexcept nogil:
    cdef const RuleData *rule = decision.rule
    cdef uint32_t count = <uint32_t> rule.authentication.size(), i, entry
    cdef TextView *errors = <TextView *> decision.facts.arena.take(count * sizeof(TextView))
    cdef TextView reason
    cdef Step step
    if errors == NULL:
        return STEP_NO_MEMORY
    memset(errors, 0, count * sizeof(TextView))
    for i in range(count):
        entry = rule.authentication_order[i]
        step = holds(decision, &rule.authentication[entry].when)
        if step == STEP_NO_MEMORY:
            return step
        if step != STEP_YES:
            continue
        errors[entry] = authenticate_entry(decision, &rule.authentication[entry])
        if decision.has_identity:
            auth_changed(decision)
            return STEP_YES
    if count == 1 and errors[0].text != NULL:
        reason = errors[0]
    elif not reasons_text(decision, errors, &reason):
        return STEP_NO_MEMORY
    return deny(decision, &rule.unauthenticated, CODE_UNAUTHENTICATED, 401, reason)


# Authorization.

cdef Step authorize_entry(Decision *decision, const AuthorizationRule *entry) noexcept nogil:
    cdef Step step = holds(decision, &entry.when)
    if step == STEP_NO:
        return STEP_YES
    if step == STEP_YES:
        step = holds(decision, &entry.patterns)
    if step == STEP_YES:
        decision.granted[decision.granted_count].key = name_value(entry.name)
        decision.granted[decision.granted_count].value = bool_value(True)
        decision.granted_count += 1
        return step
    if step == STEP_FAILED:
        return condition_failed(decision)
    if step == STEP_NO:
        return deny(
            decision, &decision.rule.unauthorized, CODE_PERMISSION_DENIED, 403,
            literal(b"Unauthorized", 12))
    return step


cdef Step authorize(Decision *decision) noexcept nogil:
    cdef const RuleData *rule = decision.rule
    cdef uint32_t count = <uint32_t> rule.authorization.size(), group = 0, i
    cdef const AuthorizationRule *entry
    cdef Step step
    if count == 0:
        return STEP_YES
    decision.granted = <Entry *> decision.facts.arena.take(count * sizeof(Entry))
    if decision.granted == NULL:
        return STEP_NO_MEMORY
    for i in range(count):
        entry = &rule.authorization[rule.authorization_order[i]]
        if entry.group != group:
            group = entry.group
            decision.granted_visible = decision.granted_count
            auth_changed(decision)
        step = authorize_entry(decision, entry)
        if step != STEP_YES:
            return step
    decision.granted_visible = decision.granted_count
    auth_changed(decision)
    return STEP_YES


# Success items.

cdef Value properties_value(Decision *decision, const SuccessRule *rule) noexcept nogil:
    cdef uint32_t count = <uint32_t> rule.properties.size(), i
    cdef Entry *entries = <Entry *> decision.facts.arena.take((count + 1) * sizeof(Entry))
    if entries == NULL:
        return error_value(OUT_OF_MEMORY)
    for i in range(count):
        entries[i].key = name_value(rule.properties[i].name)
        entries[i].value = resolve(decision, &rule.properties[i].source)
        if entries[i].value.kind == ERROR:
            return entries[i].value
    return map_value(entries, count, True)


cdef Value header_value(const SuccessRule *rule, Value value, Arena *arena) noexcept nogil:
    return value_json(value, arena, True) if rule.json else value_text(value, arena)


cdef Step evaluate_item(Decision *decision, const SuccessRule *rule, Item *item) noexcept nogil:
    """STEP_YES, also for an item that is dropped; STEP_NO_MEMORY."""
    cdef Step step = holds(decision, &rule.when)
    cdef Value value, text
    if step != STEP_YES:
        return STEP_NO_MEMORY if step == STEP_NO_MEMORY else STEP_YES
    value = properties_value(decision, rule) if rule.json else resolve(decision, &rule.plain)
    value = json_form(value, decision.facts.arena)
    if value.kind == ERROR:
        return STEP_NO_MEMORY if value.code == OUT_OF_MEMORY else STEP_YES
    item.written = True
    if not rule.metadata:
        text = header_value(rule, value, decision.facts.arena)
        if text.kind == ERROR:
            return STEP_NO_MEMORY if text.code == OUT_OF_MEMORY else STEP_YES
        item.text = literal(text.text, text.size)
        item.written = value.kind != NULL_VALUE
    item.value = value
    item.present = True
    return STEP_YES


cdef Step evaluate_items(Decision *decision) noexcept nogil:
    cdef const RuleData *rule = decision.rule
    cdef uint32_t count = <uint32_t> rule.success.size(), i, index
    decision.items = <Item *> decision.facts.arena.take(count * sizeof(Item))
    if decision.items == NULL:
        return STEP_NO_MEMORY
    memset(decision.items, 0, count * sizeof(Item))
    for i in range(count):
        index = rule.success_order[i]
        if rule.success[index].group != decision.visible_groups:
            decision.visible_groups = rule.success[index].group
            auth_changed(decision)
        if evaluate_item(
                decision, &rule.success[index], &decision.items[index]) == STEP_NO_MEMORY:
            return STEP_NO_MEMORY
    return STEP_YES


cdef bint same_key_follows(const Decision *decision, uint32_t index) noexcept nogil:
    cdef uint32_t i
    for i in range(index + 1, <uint32_t> decision.rule.success.size()):
        if decision.items[i].present and decision.rule.success[i].metadata and (
                decision.rule.success[i].key == decision.rule.success[index].key):
            return True
    return False


cdef Step collect_items(Decision *decision) noexcept nogil:
    """Headers in order of declaration, metadata by key."""
    cdef const RuleData *rule = decision.rule
    cdef uint32_t count = <uint32_t> rule.success.size(), i, headers = 0, members = 0
    cdef Pair *pairs = <Pair *> decision.facts.arena.take(count * sizeof(Pair))
    cdef Entry *entries = <Entry *> decision.facts.arena.take(count * sizeof(Entry))
    if pairs == NULL or entries == NULL:
        return STEP_NO_MEMORY
    for i in range(count):
        if not decision.items[i].present or not decision.items[i].written:
            continue
        if not rule.success[i].metadata:
            pairs[headers].name = view_of(rule.success[i].key)
            pairs[headers].value = decision.items[i].text
            headers += 1
        elif not same_key_follows(decision, i):
            entries[members].key = name_value(rule.success[i].key)
            entries[members].value = decision.items[i].value
            members += 1
    decision.answer.headers = pairs
    decision.answer.header_count = headers
    decision.answer.metadata = map_value(entries, sort_entries(entries, members), True)
    return STEP_YES


cdef Step grant(Decision *decision) noexcept nogil:
    decision.answer.code = 0
    decision.answer.has_metadata = True
    if decision.rule.success.size() == 0:
        decision.answer.metadata = map_value(NULL, 0, True)
        return STEP_YES
    if evaluate_items(decision) == STEP_NO_MEMORY:
        return STEP_NO_MEMORY
    return collect_items(decision)


# The whole way.

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
    if step == STEP_NO:
        skipped[0] = True
        return STEP_YES
    if step == STEP_FAILED:
        return condition_failed(decision)
    if step == STEP_YES:
        step = authenticate(decision)
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
    else:
        series = tables.denied_series
        own = decision.rule.denied_series
    tables.cells.add(call.thread, series, 1)
    tables.cells.add(call.thread, own, 1)
    tables.cells.add(call.thread, decision.rule.total_series, 1)
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
    decision.evaluation.root = &decision_root
    decision.evaluation.state = &decision
    decision.rule = rule
    decision.tables = tables
    decision.has_identity = False
    decision.held = NULL
    decision.granted_count = decision.granted_visible = 0
    decision.visible_groups = 0
    step = run(&decision, &skipped)
    if step == STEP_NO_MEMORY:
        outcome = OUTCOME_DEFER
    elif skipped:
        tables.cells.add(call.thread, tables.ok_series, 1)
        outcome = answer_constant(call, &tables.allowed)
    else:
        outcome = answer_decision(&decision, call)
    if decision.held != NULL:
        tables.identities.let_go(decision.held)
    if outcome == OUTCOME_DEFER:
        tables.cells.add(call.thread, rule.deferred_series, 1)
    return outcome


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
    if owner.reason.size():
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
        self, Plans plans not None, IdentityTable identities not None, Series series not None
    ):
        cdef NativeHandler handler = NativeHandler.__new__(NativeHandler)
        self.plans = plans
        self.identities = identities
        self.series = series
        self.tables.plans = plans.store
        self.tables.identities = identities.table
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
        self.tables.not_found_series = series.id((name, "NOT_FOUND"))
        self.tables.unavailable_series = series.id((name, "UNAVAILABLE"))
        self.tables.invalid_series = series.id((name, "INVALID_ARGUMENT"))
