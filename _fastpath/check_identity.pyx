"""Authentication in the native Check."""

from libc.stdint cimport uint32_t
from libc.string cimport memcpy, memset
from libcpp.vector cimport vector

from _fastpath.attributes cimport sort_entries
from _fastpath.check_decision cimport (
    CODE_UNAUTHENTICATED,
    STEP_DEFER,
    STEP_FAILED,
    STEP_MISSED,
    STEP_NO,
    STEP_YES,
    Decision,
    Step,
    applies,
    auth_changed,
    keep,
    literal,
    name_value,
    note,
    resolve,
    view_of,
)
from _fastpath.check_denial cimport deny
from _fastpath.check_recall cimport recall
from _fastpath.counted cimport Counted
from _fastpath.credential cimport find_credential
from _fastpath.document cimport Document, NativeDocument
from _fastpath.identity cimport find_key
from _fastpath.json_form cimport json_form
from _fastpath.rule cimport (
    METHOD_ANONYMOUS,
    METHOD_PLAIN,
    METHOD_REMEMBERED,
    AuthenticationRule,
    NamedSource,
    RuleData,
)
from _fastpath.value cimport ERROR, MAP, NULL_VALUE, Entry, Value, map_get, map_value
from _fastpath.wire cimport TextView

cdef NativeDocument ANONYMOUS = NativeDocument({"anonymous": True})


# One entry: STEP_YES with the identity, STEP_NO with an error text, STEP_MISSED or STEP_DEFER. The
# full lane words the errors of expressions, so those are deferred.

cdef Step failed(TextView *error, const char *text, uint32_t size) noexcept nogil:
    error[0] = literal(text, size)
    return STEP_NO


cdef Step by_key(
    Decision *decision, const AuthenticationRule *entry, TextView key, TextView *error
) noexcept nogil:
    cdef TextView app_id = literal(NULL, 0)
    cdef Counted *found
    if entry.paired and not find_credential(
            &decision.facts, entry.app_id_place, view_of(entry.app_id), &app_id):
        return failed(error, b"credential not found", 20)
    found = find_key(
        decision.tables.identities, entry.key_set, app_id, key, decision.facts.clock.wall_ns)
    if found == NULL:
        return failed(error, b"the API Key provided is invalid", 31)
    if not keep(decision, found):
        return STEP_DEFER
    decision.identity = (<Document *> found).root
    return STEP_YES


cdef Step by_value(
    Decision *decision, const AuthenticationRule *entry, TextView *error
) noexcept nogil:
    cdef Value value = json_form(resolve(decision, &entry.plain), decision.facts.arena)
    if value.kind == ERROR:
        return STEP_DEFER
    if value.kind == NULL_VALUE:
        return failed(error, b"could not retrieve identity object or null", 42)
    decision.identity = value
    return STEP_YES


cdef Step identify(
    Decision *decision, const AuthenticationRule *entry, TextView *error
) noexcept nogil:
    cdef TextView credential
    cdef bint given
    if entry.method == METHOD_ANONYMOUS:
        decision.identity = (<Document *> ANONYMOUS.pointer).root
        return STEP_YES
    if entry.method == METHOD_PLAIN:
        return by_value(decision, entry, error)
    given = find_credential(&decision.facts, entry.place, view_of(entry.credential), &credential)
    if entry.method == METHOD_REMEMBERED and (given or entry.remembered.key.given()):
        return recall(
            decision, &entry.remembered, &credential if given else NULL, &decision.identity)
    if not given:
        return failed(error, b"credential not found", 20)
    return by_key(decision, entry, credential, error)


# Defaults and overrides: both see the identity without them.

cdef Step resolve_named(
    Decision *decision, const vector[NamedSource] *named, Entry *entries
) noexcept nogil:
    cdef uint32_t i
    for i in range(<uint32_t> named.size()):
        entries[i].key = name_value(named.at(i).name)
        entries[i].value = json_form(
            resolve(decision, &named.at(i).source), decision.facts.arena)
        if entries[i].value.kind == ERROR:
            return STEP_DEFER
    return STEP_YES


cdef bint named_in(const Entry *entries, uint32_t count, Value key) noexcept nogil:
    return map_get(map_value(entries, count, False), key.text, key.size) != NULL


cdef uint32_t append(
    Entry *to, uint32_t count, const Entry *entries, uint32_t more
) noexcept nogil:
    """Copy those whose names are not among the first `count`; gives the new count."""
    cdef uint32_t i, before = count
    for i in range(more):
        if not named_in(to, before, entries[i].key):
            to[count] = entries[i]
            count += 1
    return count


cdef bint missing_defaults(
    Decision *decision, const AuthenticationRule *entry, Entry *entries, uint32_t *count
) noexcept nogil:
    """Resolve what the identity does not have; False when one has no value."""
    cdef const NamedSource *named
    cdef uint32_t i
    count[0] = 0
    for i in range(<uint32_t> entry.defaults.size()):
        named = &entry.defaults.at(i)
        if map_get(decision.identity, named.name.data(), <uint32_t> named.name.size()) != NULL:
            continue
        entries[count[0]].key = name_value(named.name)
        entries[count[0]].value = json_form(
            resolve(decision, &named.source), decision.facts.arena)
        if entries[count[0]].value.kind == ERROR:
            return False
        count[0] += 1
    return True


cdef Step extend(
    Decision *decision, const AuthenticationRule *entry, TextView *error
) noexcept nogil:
    cdef uint32_t overrides = <uint32_t> entry.overrides.size(), defaults, count
    cdef size_t room = entry.defaults.size() + overrides
    cdef Value identity = decision.identity
    cdef Entry *merged
    cdef Entry *missing
    if room == 0:
        return STEP_YES
    if identity.kind != MAP:
        return failed(error, b"the identity is no object and cannot be extended", 48)
    missing = <Entry *> decision.facts.arena.take((entry.defaults.size() + 1) * sizeof(Entry))
    merged = <Entry *> decision.facts.arena.take((room + identity.size) * sizeof(Entry))
    if missing == NULL or merged == NULL:
        return STEP_DEFER
    if not missing_defaults(decision, entry, missing, &defaults):
        return STEP_DEFER
    if resolve_named(decision, &entry.overrides, merged) != STEP_YES:
        return STEP_DEFER
    count = append(merged, overrides, identity.entries, identity.size)
    count = append(merged, count, missing, defaults)
    decision.identity = map_value(merged, sort_entries(merged, count), True)
    return STEP_YES


cdef Step authenticate_entry(
    Decision *decision, const AuthenticationRule *entry, TextView *error
) noexcept nogil:
    """As above; STEP_FAILED for an entry that is skipped."""
    cdef Step step = applies(decision, entry)
    if step != STEP_YES:
        return STEP_DEFER if step == STEP_DEFER else STEP_FAILED
    if entry.foreign:
        return STEP_MISSED if entry.waits else STEP_DEFER
    step = identify(decision, entry, error)
    if step == STEP_YES:
        decision.has_identity = True
        auth_changed(decision)
        step = extend(decision, entry, error)
        decision.has_identity = step == STEP_YES
        auth_changed(decision)
    if step == STEP_NO and entry.counted:
        note(decision, entry.denied_series)
    return step


# The phase.

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


cdef Step refuse(Decision *decision, const TextView *errors) noexcept nogil:
    cdef const RuleData *rule = decision.rule
    cdef TextView reason
    if rule.authentication.size() == 1 and errors[0].text != NULL:
        reason = errors[0]
    elif not reasons_text(decision, errors, &reason):
        return STEP_DEFER
    return deny(decision, &rule.unauthenticated, CODE_UNAUTHENTICATED, 401, reason)


cdef Step authenticate(Decision *decision) noexcept nogil:
    cdef const RuleData *rule = decision.rule
    cdef uint32_t count = <uint32_t> rule.authentication.size(), group = 0, i, at
    cdef TextView *errors = <TextView *> decision.facts.arena.take(count * sizeof(TextView))
    cdef bint missed = False
    cdef Step step
    if errors == NULL:
        return STEP_DEFER
    memset(errors, 0, count * sizeof(TextView))
    for i in range(count):
        at = rule.authentication_order[i]
        if rule.authentication[at].group != group:
            if missed:
                return STEP_DEFER
            group = rule.authentication[at].group
        step = authenticate_entry(decision, &rule.authentication[at], &errors[at])
        if step == STEP_YES or step == STEP_DEFER:
            return step
        missed = missed or step == STEP_MISSED
    return STEP_DEFER if missed else refuse(decision, errors)
