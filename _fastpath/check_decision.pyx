"""What expressions see of a decision on its way, and what its conditions and values come to."""

from libc.stdint cimport uint32_t
from libc.string cimport memcpy

from _fastpath.attributes cimport (
    ROOT_AUTH,
    Fields,
    attribute_root,
    close_fields,
    open_fields,
    put,
    sort_entries,
)
from _fastpath.document cimport Document
from _fastpath.program cimport Program, evaluate
from _fastpath.rule cimport (
    CONDITION_ANY,
    CONDITION_TEST,
    RuleCondition,
    RuleConditions,
    RuleSource,
    SuccessRule,
)
from _fastpath.text cimport value_text
from _fastpath.value cimport (
    BOOL,
    ERROR,
    OUT_OF_MEMORY,
    STRING,
    Entry,
    Value,
    error_value,
    map_value,
)
from _fastpath.wire cimport TextView


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


cdef void auth_changed(Decision *decision) noexcept nogil:
    decision.facts.built &= ~(<uint32_t> 1 << ROOT_AUTH)


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


cdef Step holds(Decision *decision, const RuleConditions *conditions) noexcept nogil:
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
