"""Results of earlier requests, as a decision finds them again."""

from _fastpath.check_decision cimport (
    STEP_DEFER,
    STEP_MISSED,
    STEP_YES,
    Decision,
    Step,
    keep,
    resolve,
)
from _fastpath.counted cimport Counted
from _fastpath.document cimport Document
from _fastpath.remembered cimport KEY_FOUND, KEY_NO_MEMORY, ResultKey, result_key_of
from _fastpath.rule cimport RememberedRule
from _fastpath.value cimport Value
from _fastpath.wire cimport TextView


cdef Step recall(
    Decision *decision, const RememberedRule *rule, const TextView *credential, Value *found
) noexcept nogil:
    cdef TextView key
    cdef ResultKey read
    cdef Counted *value
    if rule.key.given():
        read = result_key_of(
            resolve(decision, &rule.key), credential, decision.facts.arena, &key)
        if read != KEY_FOUND:
            return STEP_DEFER if read == KEY_NO_MEMORY else STEP_MISSED
    elif credential != NULL:
        key = credential[0]
    else:
        return STEP_MISSED
    value = decision.tables.remembered.find(
        rule.scope, key.text, key.size, decision.facts.clock.wall_ns)
    if value == NULL:
        return STEP_MISSED
    if not keep(decision, value):
        return STEP_DEFER
    found[0] = (<Document *> value).root
    return STEP_YES
