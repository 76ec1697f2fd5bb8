"""Metadata and authorization in the native Check."""

from libc.stdint cimport uint32_t

from _fastpath.check_decision cimport (
    CODE_PERMISSION_DENIED,
    STEP_DEFER,
    STEP_FAILED,
    STEP_MISSED,
    STEP_NO,
    STEP_YES,
    Decision,
    Step,
    add_result,
    applies,
    holds,
    literal,
    note,
    open_results,
    show_results,
)
from _fastpath.check_denial cimport condition_failed, deny
from _fastpath.check_recall cimport recall
from _fastpath.rule cimport AuthorizationRule, MetadataRule, RuleData
from _fastpath.value cimport Value, bool_value


cdef Step fetch(Decision *decision) noexcept nogil:
    """All entries must be remembered; what is not is fetched in the full lane."""
    cdef const RuleData *rule = decision.rule
    cdef uint32_t count = <uint32_t> rule.metadata.size(), group = 0, i
    cdef const MetadataRule *entry
    cdef Value value
    cdef Step step
    if count == 0:
        return STEP_YES
    if not open_results(decision, &decision.metadata, count):
        return STEP_DEFER
    for i in range(count):
        entry = &rule.metadata[rule.metadata_order[i]]
        if entry.group != group:
            group = entry.group
            show_results(decision, &decision.metadata)
        step = applies(decision, entry)
        if step == STEP_NO or step == STEP_FAILED and (
                not entry.required or rule.skip_failed_conditions):
            continue
        if step != STEP_YES or entry.foreign:
            return STEP_DEFER
        if recall(decision, &entry.remembered, NULL, &value) != STEP_YES:
            return STEP_DEFER
        add_result(&decision.metadata, entry.name, value)
    show_results(decision, &decision.metadata)
    return STEP_YES


cdef Step permit(Decision *decision, const AuthorizationRule *entry, Value *result) noexcept nogil:
    """What the entry says: STEP_YES, STEP_NO, STEP_FAILED, STEP_MISSED or STEP_DEFER."""
    cdef Step step
    if entry.foreign:
        return STEP_MISSED if entry.waits else STEP_DEFER
    if entry.remembered.scope:
        return recall(decision, &entry.remembered, NULL, result)
    result[0] = bool_value(True)
    step = holds(decision, &entry.patterns)
    if (step == STEP_NO or step == STEP_FAILED) and entry.counted:
        note(decision, entry.denied_series)
    return step


cdef Step authorize_entry(Decision *decision, const AuthorizationRule *entry) noexcept nogil:
    """STEP_YES also for an entry that is skipped."""
    cdef Value result
    cdef Step step = applies(decision, entry)
    if step == STEP_NO or step == STEP_FAILED and decision.rule.skip_failed_conditions:
        return STEP_YES
    if step == STEP_YES:
        step = permit(decision, entry, &result)
        if step == STEP_YES:
            add_result(&decision.granted, entry.name, result)
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
    cdef bint missed = False
    cdef Step step
    if count == 0:
        return STEP_YES
    if not open_results(decision, &decision.granted, count):
        return STEP_DEFER
    for i in range(count):
        entry = &rule.authorization[rule.authorization_order[i]]
        if entry.group != group:
            if missed:
                return STEP_DEFER
            group = entry.group
            show_results(decision, &decision.granted)
        step = authorize_entry(decision, entry)
        if step == STEP_NO or step == STEP_DEFER:
            return step
        missed = missed or step == STEP_MISSED
    show_results(decision, &decision.granted)
    return STEP_DEFER if missed else STEP_YES
