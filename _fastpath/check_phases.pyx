"""The phases of the native Check: authentication, authorization, success items."""

from libc.stdint cimport uint32_t
from libc.string cimport memcpy, memset

from _fastpath.arena cimport Arena
from _fastpath.attributes cimport sort_entries
from _fastpath.check_decision cimport (
    CODE_PERMISSION_DENIED,
    CODE_UNAUTHENTICATED,
    STEP_FAILED,
    STEP_NO,
    STEP_NO_MEMORY,
    STEP_YES,
    Decision,
    Item,
    Step,
    auth_changed,
    holds,
    literal,
    name_value,
    resolve,
    view_of,
)
from _fastpath.check_denial cimport condition_failed, deny
from _fastpath.check_view cimport Pair
from _fastpath.credential cimport find_credential
from _fastpath.document cimport Document, NativeDocument
from _fastpath.identity cimport find_key
from _fastpath.json_form cimport json_form
from _fastpath.rule cimport AuthenticationRule, AuthorizationRule, RuleData, SuccessRule
from _fastpath.text cimport value_json, value_text
from _fastpath.value cimport (
    ERROR,
    NULL_VALUE,
    OUT_OF_MEMORY,
    Entry,
    Value,
    bool_value,
    error_value,
    map_value,
)
from _fastpath.wire cimport TextView

cdef NativeDocument ANONYMOUS = NativeDocument({"anonymous": True})


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
    decision.held = find_key(
        decision.tables.identities, entry.key_set, literal(NULL, 0), credential,
        decision.facts.clock.wall_ns)
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
