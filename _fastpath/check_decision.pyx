"""What expressions see of a decision on its way, and what its conditions and values come to."""

from libc.stdint cimport uint32_t
from libc.string cimport memcpy
from libcpp.string cimport string

from _fastpath.attributes cimport (
    ROOT_AUTH,
    Fields,
    attribute_root,
    close_fields,
    open_fields,
    put,
    sort_entries,
)
from _fastpath.counted cimport Counted
from _fastpath.document cimport Document
from _fastpath.program cimport Program, evaluate
from _fastpath.rule cimport (
    CONDITION_ANY,
    CONDITION_TEST,
    EntryRule,
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


cdef bint keep(Decision *decision, Counted *value) noexcept nogil:
    """Hold a value found in a table until the end; False, and let go, for want of memory."""
    cdef Held *held = <Held *> decision.facts.arena.take(sizeof(Held))
    if held == NULL:
        decision.tables.identities.let_go(value)
        return False
    held.value = value
    held.next = decision.held
    decision.held = held
    return True


cdef void note(Decision *decision, uint32_t series) noexcept nogil:
    cdef Note *noted = <Note *> decision.facts.arena.take(sizeof(Note))
    if noted != NULL:
        noted.series = series
        noted.next = decision.notes
        decision.notes = noted


cdef bint open_results(Decision *decision, Results *results, size_t room) noexcept nogil:
    results.entries = <Entry *> decision.facts.arena.take(room * sizeof(Entry))
    return results.entries != NULL


cdef void add_result(Results *results, const string &name, Value value) noexcept nogil:
    results.entries[results.count].key = name_value(name)
    results.entries[results.count].value = value
    results.count += 1


cdef void show_results(Decision *decision, Results *results) noexcept nogil:
    """Let later groups and phases see what there is."""
    if results.visible != results.count:
        results.visible = results.count
        auth_changed(decision)


cdef Value results_value(Decision *decision, const Results *results) noexcept nogil:
    cdef Entry *entries = <Entry *> decision.facts.arena.take(results.visible * sizeof(Entry))
    if entries == NULL:
        return error_value(OUT_OF_MEMORY)
    memcpy(entries, results.entries, results.visible * sizeof(Entry))
    return map_value(entries, sort_entries(entries, results.visible), True)


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
    cdef Value part
    if not open_fields(&fields, 4, decision.facts.arena):
        return error_value(OUT_OF_MEMORY)
    if decision.granted.visible:
        part = results_value(decision, &decision.granted)
        if part.kind == ERROR:
            return part
        put(&fields, b"authorization", 13, part)
    if decision.has_identity:
        put(&fields, b"identity", 8, decision.identity)
    if decision.metadata.visible:
        part = results_value(decision, &decision.metadata)
        if part.kind == ERROR:
            return part
        put(&fields, b"metadata", 8, part)
    if decision.visible_groups:
        part = response_value(decision)
        if part.kind == ERROR:
            return part
        if part.size:
            put(&fields, b"response", 8, part)
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
        return STEP_DEFER
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


cdef Step applies(Decision *decision, const EntryRule *entry) noexcept nogil:
    """Whether the entry has its turn: STEP_YES, STEP_NO, or STEP_FAILED by its `when`."""
    cdef Step step = holds(decision, &entry.when)
    if entry.counted:
        note(decision, entry.total_series)
        if step == STEP_NO:
            note(decision, entry.ignored_series)
        elif step == STEP_FAILED:
            note(decision, entry.denied_series)
    return step


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
    return STEP_DEFER if value.code == OUT_OF_MEMORY else STEP_YES
