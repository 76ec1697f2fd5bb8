"""Success items in the native Check."""

from libc.stdint cimport uint32_t
from libc.string cimport memset

from _fastpath.arena cimport Arena
from _fastpath.attributes cimport sort_entries
from _fastpath.check_decision cimport (
    STEP_DEFER,
    STEP_YES,
    Decision,
    Item,
    Step,
    applies,
    auth_changed,
    literal,
    name_value,
    note,
    resolve,
    view_of,
)
from _fastpath.check_recall cimport recall
from _fastpath.check_view cimport Pair
from _fastpath.json_form cimport json_form
from _fastpath.rule cimport RuleData, SuccessRule
from _fastpath.text cimport value_json, value_text
from _fastpath.value cimport (
    ERROR,
    NULL_VALUE,
    OUT_OF_MEMORY,
    Entry,
    Value,
    error_value,
    map_value,
)


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


cdef Step item_value(Decision *decision, const SuccessRule *rule, Value *value) noexcept nogil:
    """STEP_YES, also with an error as the value; STEP_DEFER."""
    if rule.foreign:
        return STEP_DEFER
    if rule.remembered.scope:
        return (
            STEP_YES if recall(decision, &rule.remembered, NULL, value) == STEP_YES
            else STEP_DEFER)
    value[0] = properties_value(decision, rule) if rule.json else resolve(decision, &rule.plain)
    value[0] = json_form(value[0], decision.facts.arena)
    return STEP_YES


cdef Step dropped(Decision *decision, const SuccessRule *rule, Value error) noexcept nogil:
    if error.code == OUT_OF_MEMORY:
        return STEP_DEFER
    if rule.counted:
        note(decision, rule.denied_series)
    return STEP_YES


cdef Step evaluate_item(Decision *decision, const SuccessRule *rule, Item *item) noexcept nogil:
    """STEP_YES, also for an item that is dropped; STEP_DEFER."""
    cdef Step step = applies(decision, rule)
    cdef Value value, text
    if step != STEP_YES:
        return STEP_DEFER if step == STEP_DEFER else STEP_YES
    if item_value(decision, rule, &value) == STEP_DEFER:
        return STEP_DEFER
    if value.kind == ERROR:
        return dropped(decision, rule, value)
    item.written = True
    if not rule.metadata:
        text = header_value(rule, value, decision.facts.arena)
        if text.kind == ERROR:
            return dropped(decision, rule, text)
        item.text = literal(text.text, text.size)
        item.written = rule.json or value.kind != NULL_VALUE
    item.value = value
    item.present = True
    return STEP_YES


cdef Step evaluate_items(Decision *decision) noexcept nogil:
    cdef const RuleData *rule = decision.rule
    cdef uint32_t count = <uint32_t> rule.success.size(), i, index
    decision.items = <Item *> decision.facts.arena.take(count * sizeof(Item))
    if decision.items == NULL:
        return STEP_DEFER
    memset(decision.items, 0, count * sizeof(Item))
    for i in range(count):
        index = rule.success_order[i]
        if rule.success[index].group != decision.visible_groups:
            decision.visible_groups = rule.success[index].group
            auth_changed(decision)
        if evaluate_item(
                decision, &rule.success[index], &decision.items[index]) == STEP_DEFER:
            return STEP_DEFER
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
        return STEP_DEFER
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
    if evaluate_items(decision) == STEP_DEFER:
        return STEP_DEFER
    return collect_items(decision)
