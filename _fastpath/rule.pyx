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
    """Indices by ascending priority, in order of declaration inside a priority."""
    return sorted(range(len(entries)), key=lambda i: entries[i].priority)


cdef dict groups(object entries):
    """Number of the priority group of each priority."""
    priorities = sorted({entry.priority for entry in entries})
    return {priority: number for number, priority in enumerate(priorities)}


cdef int add_authentication(RuleData *data, object entries) except -1:
    cdef AuthenticationRule *rule
    if not entries:
        raise ValueError("a rule needs an authentication entry, anonymous if nothing else")
    data.authentication.resize(len(entries))
    for i, entry in enumerate(entries):
        rule = &data.authentication[i]
        rule.name = text(entry.name)
        rule.json_name = text(json_of_value(entry.name, go_escapes=True))
        rule.challenge = text(f'{entry.challenge} realm="{entry.name}"')
        rule.anonymous = entry.key_set is None
        rule.key_set = 0 if entry.key_set is None else entry.key_set
        rule.place = entry.credential.place
        name = entry.credential.name
        rule.credential = text(name.lower() if entry.credential.place == 1 else name)
        add_conditions(&rule.when, entry.when, 0)
    data.authentication_order = evaluation_order(entries)
    data.reason_order = sorted(range(len(entries)), key=lambda i: text(entries[i].name))
    return 0


cdef int add_authorization(RuleData *data, object entries) except -1:
    cdef AuthorizationRule *rule
    group = groups(entries)
    data.authorization.resize(len(entries))
    for i, entry in enumerate(entries):
        rule = &data.authorization[i]
        rule.name = text(entry.name)
        rule.group = group[entry.priority]
        add_conditions(&rule.when, entry.when, 0)
        add_conditions(&rule.patterns, entry.patterns, 0)
    data.authorization_order = evaluation_order(entries)
    return 0


cdef int add_success(RuleData *data, object items) except -1:
    cdef SuccessRule *rule
    group = groups(items)
    data.success.resize(len(items))
    for i, item in enumerate(items):
        rule = &data.success[i]
        if (item.plain is None) == (item.json is None):
            raise ValueError(f"success item {item.name} needs either a plain value or properties")
        rule.name = text(item.name)
        rule.key = text(item.key)
        rule.metadata = item.target == Target.DYNAMIC_METADATA
        rule.group = group[item.priority]
        rule.json = item.json is not None
        set_source(&rule.plain, item.plain)
        if item.json is not None:
            add_named(&rule.properties, sorted(item.json, key=lambda pair: text(pair[0])))
        add_conditions(&rule.when, item.when, 0)
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
    add_conditions(&data.when, spec.when, 0)
    add_authentication(data, spec.authentication)
    add_authorization(data, spec.authorization)
    add_success(data, spec.success)
    set_denial(&data.unauthenticated, spec.unauthenticated)
    set_denial(&data.unauthorized, spec.unauthorized)
    return compiled
