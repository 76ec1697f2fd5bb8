"""Compiles a RuleSpec into the immutable structure that check.pyx decides by."""

from _fastpath.cells cimport Series
from _fastpath.counted cimport Counted
from _fastpath.document cimport NativeDocument
from _fastpath.host_index cimport Owner
from _fastpath.program cimport NativeProgram

from _fastpath.rule_spec import AllOf, AnyOf, Target
from _fastpath.text import json_of_value

UNAUTHORIZED = "Unauthorized"
CREDENTIAL_MISSING = "credential not found"
KEY_INVALID = "the API Key provided is invalid"
CONDITION_FAILED = "condition could not be evaluated"
IDENTITY_MISSING = "could not retrieve identity object or null"
IDENTITY_NO_OBJECT = "the identity is no object and cannot be extended"

cdef int MAX_GROUPS = 64


cdef bytes text(object value):
    if not isinstance(value, str):
        raise ValueError(f"expected text, got {type(value).__name__}")
    return value.encode("utf-8", "replace")


cdef int add_conditions(RuleConditions *conditions, object items, int depth) except -1:
    cdef size_t group
    if depth > MAX_GROUPS:
        raise ValueError(f"conditions are nested more than {MAX_GROUPS} deep")
    for item in items:
        if isinstance(item, NativeProgram):
            conditions.test((<NativeProgram> item).pointer)
            continue
        if not isinstance(item, (AllOf, AnyOf)):
            raise ValueError(f"{type(item).__name__} is no condition")
        group = conditions.open(CONDITION_ALL if isinstance(item, AllOf) else CONDITION_ANY)
        add_conditions(conditions, item.items, depth + 1)
        conditions.close(group)
    return 0


cdef int set_source(RuleSource *source, object value) except -1:
    if isinstance(value, NativeProgram):
        source.set_program((<NativeProgram> value).pointer)
    elif isinstance(value, NativeDocument):
        source.set_document((<NativeDocument> value).pointer)
    elif value is not None:
        raise ValueError(f"{type(value).__name__} is no source of a value")
    return 0


cdef int add_named(vector[NamedSource] *named, object items) except -1:
    named.resize(len(items))
    for i, (name, value) in enumerate(items):
        if value is None:
            raise ValueError(f"{name} has no value")
        named.at(i).name = text(name)
        set_source(&named.at(i).source, value)
    return 0


cdef list evaluation_order(object entries):
    """Indices by priority; inside one those that wait come last; then as declared."""
    return sorted(range(len(entries)), key=lambda i: (entries[i].priority, entries[i].waits))


cdef dict groups(object entries):
    """Number of the priority group of each priority."""
    priorities = sorted({entry.priority for entry in entries})
    return {priority: number for number, priority in enumerate(priorities)}


cdef int add_entry(EntryRule *rule, object entry, dict group, Series series, tuple place) except -1:
    """What entries of all phases have. `place`: namespace and name of the AuthConfig."""
    rule.name = text(entry.name)
    rule.group = group[entry.priority]
    rule.waits = entry.waits
    rule.foreign = bool(entry.foreign)
    if entry.remembered is not None:
        if entry.foreign or not entry.remembered.scope:
            raise ValueError(f"{entry.name} cannot remember results")
        rule.remembered.scope = entry.remembered.scope
        set_source(&rule.remembered.key, entry.remembered.key)
    if entry.metrics:
        rule.counted = True
        labels = (*place, entry.metrics, entry.name)
        rule.total_series = series.id(("auth_server_evaluator_total", *labels))
        rule.ignored_series = series.id(("auth_server_evaluator_ignored", *labels))
        rule.denied_series = series.id(("auth_server_evaluator_denied", *labels))
    add_conditions(&rule.when, entry.when, 0)
    return 0


cdef AuthenticationMethod authentication_method(object entry) except *:
    given = (entry.key_set, entry.plain, entry.remembered, entry.foreign or None)
    if sum(part is not None for part in given) > 1:
        raise ValueError(f"{entry.name} has more than one method")
    if entry.key_set is not None:
        return METHOD_API_KEY
    if entry.plain is not None:
        return METHOD_PLAIN
    return METHOD_ANONYMOUS if entry.remembered is None else METHOD_REMEMBERED


cdef bytes credential_name(object credential):
    return text(credential.name.lower() if credential.place in (1, 5) else credential.name)


cdef int add_authentication(RuleData *data, object entries, Series series, tuple place) except -1:
    cdef AuthenticationRule *rule
    if not entries:
        raise ValueError("a rule needs an authentication entry, anonymous if nothing else")
    group = groups(entries)
    data.authentication.resize(len(entries))
    for i, entry in enumerate(entries):
        rule = &data.authentication[i]
        add_entry(rule, entry, group, series, place)
        rule.json_name = text(json_of_value(entry.name, go_escapes=True))
        rule.challenge = text(f'{entry.challenge} realm="{entry.name}"')
        rule.method = authentication_method(entry)
        rule.key_set = 0 if entry.key_set is None else entry.key_set
        rule.takes_credential = entry.takes_credential
        rule.place = entry.credential.place
        rule.credential = credential_name(entry.credential)
        if entry.app_id is not None:
            rule.paired = True
            rule.app_id_place = entry.app_id.place
            rule.app_id = credential_name(entry.app_id)
        set_source(&rule.plain, entry.plain)
        add_named(&rule.defaults, entry.defaults)
        add_named(&rule.overrides, entry.overrides)
    data.authentication_order = evaluation_order(entries)
    data.reason_order = sorted(range(len(entries)), key=lambda i: text(entries[i].name))
    return 0


cdef int add_metadata(RuleData *data, object entries, Series series, tuple place) except -1:
    group = groups(entries)
    data.metadata.resize(len(entries))
    for i, entry in enumerate(entries):
        if not entry.foreign and (entry.remembered is None or entry.remembered.key is None):
            raise ValueError(f"metadata {entry.name} needs to be remembered under a key or foreign")
        add_entry(&data.metadata[i], entry, group, series, place)
        data.metadata[i].required = entry.required
    data.metadata_order = evaluation_order(entries)
    return 0


cdef int add_authorization(RuleData *data, object entries, Series series, tuple place) except -1:
    cdef AuthorizationRule *rule
    group = groups(entries)
    data.authorization.resize(len(entries))
    for i, entry in enumerate(entries):
        rule = &data.authorization[i]
        add_entry(rule, entry, group, series, place)
        add_conditions(&rule.patterns, entry.patterns, 0)
    data.authorization_order = evaluation_order(entries)
    return 0


cdef int add_success(RuleData *data, object items, Series series, tuple place) except -1:
    cdef SuccessRule *rule
    group = groups(items)
    data.success.resize(len(items))
    for i, item in enumerate(items):
        rule = &data.success[i]
        given = (item.plain, item.json, item.remembered, item.foreign or None)
        if sum(part is not None for part in given) != 1:
            raise ValueError(f"success item {item.name} needs one source of its value")
        add_entry(rule, item, group, series, place)
        rule.key = text(item.key)
        rule.metadata = item.target == Target.DYNAMIC_METADATA
        rule.json = item.as_json or item.json is not None
        set_source(&rule.plain, item.plain)
        if item.json is not None:
            add_named(&rule.properties, sorted(item.json, key=lambda pair: text(pair[0])))
    data.success_order = evaluation_order(items)
    return 0


cdef int set_denial(DenialRule *rule, object denial) except -1:
    if denial.code and not 300 <= denial.code <= 599:
        raise ValueError(f"a denial cannot have status {denial.code}")
    rule.code = denial.code
    set_source(&rule.message, denial.message)
    set_source(&rule.body, denial.body)
    rule.has_headers = denial.headers is not None
    if denial.headers is not None:
        add_named(&rule.headers, denial.headers)
    return 0


cdef int register(RuleData *data, object spec, Series series) except -1:
    key = (spec.namespace, spec.name)
    data.total_series = series.id(("auth_server_authconfig_total", *key))
    status = ("auth_server_authconfig_response_status", *key)
    data.ok_series = series.id((*status, "OK"))
    data.unauthenticated_series = series.id((*status, "UNAUTHENTICATED"))
    data.denied_series = series.id((*status, "PERMISSION_DENIED"))
    if spec.throttled:
        data.exhausted_series = series.id((*status, "RESOURCE_EXHAUSTED"))
        for i, by in enumerate(("source", "credential")):
            data.throttled_series[i] = series.id(("tollhouse_authz_throttled_total", *key, by))
    data.deferred_series = series.id(("tollhouse_authz_deferred_total", *key))
    return 0


cdef class Rule(Owner):
    @property
    def refusal(self):
        cdef RuleData *data = <RuleData *> self.pointer
        return data.reason.decode() if data.reason.size() else None


def rule(spec, Series series not None) -> Rule:
    """Compile; raises ValueError for a spec that breaks a rule of rule_spec."""
    cdef RuleData *data = new RuleData()
    cdef Rule compiled = Rule.__new__(Rule)
    compiled.pointer = <Counted *> data
    data.id = text(f"{spec.namespace}/{spec.name}")
    register(data, spec, series)
    if spec.refusal is not None:
        data.reason = text(spec.refusal or "not native")
        return compiled
    place = spec.namespace, spec.name
    data.skip_failed_conditions = spec.skip_failed_conditions
    add_conditions(&data.when, spec.when, 0)
    add_authentication(data, spec.authentication, series, place)
    add_metadata(data, spec.metadata, series, place)
    add_authorization(data, spec.authorization, series, place)
    add_success(data, spec.success, series, place)
    set_denial(&data.unauthenticated, spec.unauthenticated)
    set_denial(&data.unauthorized, spec.unauthorized)
    return compiled
