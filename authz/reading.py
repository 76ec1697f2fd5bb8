"""From an AuthConfig document (v1beta3, or v1beta2 that fits) to an AuthConfig.

Everything that is not understood is a fault, so nothing an author wrote is ever left out silently.
"""

import re
from collections.abc import Mapping
from typing import Any

from _fastpath.rule_spec import Credential, Place, Target
from authz.condition import All, AnyItem, Condition, PatternTest, Predicate
from authz.config import (
    Anonymous,
    ApiKey,
    AuthConfig,
    Authentication,
    Authorization,
    Denial,
    Plain,
    SuccessItem,
)
from authz.errors import Fault, InvalidAuthConfig
from authz.fields import Fields
from authz.hosts import host_fault
from authz.selector_match import OPERATORS, LabelSelector, Requirement
from authz.value import ComputedValue, SelectedValue, StaticValue, Value
from expressions.cel import Context, Expression, compile_expression
from expressions.errors import ExpressionError, ExpressionSyntaxError
from expressions.pattern import OPERATORS as PATTERN_OPERATORS
from expressions.pattern import compile_pattern
from expressions.selector import compile_selector

MOST_NESTING = 32  # of all/any groups; the native lane takes 64
TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
COMMON = ("priority", "metrics", "when")
Patterns = Mapping[str, tuple[Condition, ...]]


def read_auth_config(namespace: str, name: str, document: Mapping[str, Any]) -> AuthConfig:
    """Raises InvalidAuthConfig, which lists every fault."""
    faults: list[Fault] = []
    spec = Fields(document, (), faults).group("spec")
    spec.known(
        "hosts",
        "patterns",
        "when",
        "authentication",
        "authorization",
        "response",
        missing=("metadata", "callbacks"),
    )
    hosts = spec.texts("hosts")
    if not hosts:
        spec.fault("expected at least one host", "hosts")
    for index, host in enumerate(hosts):
        wrong = host_fault(host)
        if wrong is not None:
            spec.fault(wrong, "hosts", index)
    reader = _Reader(_named_patterns(spec))
    config = AuthConfig(
        namespace=namespace,
        name=name,
        hosts=hosts,
        when=reader.conditions(spec, "when"),
        authentication=reader.authentication(spec),
        authorization=reader.authorization(spec),
        unauthenticated=reader.denial(spec.group("response"), "unauthenticated"),
        unauthorized=reader.denial(spec.group("response"), "unauthorized"),
        success=reader.success(spec.group("response")),
    )
    if faults:
        raise InvalidAuthConfig(tuple(faults))
    return config


def read_hosts(document: Mapping[str, Any]) -> tuple[str, ...]:
    """The hosts of a document that may be refused: they are owned all the same."""
    spec = document.get("spec")
    hosts = spec.get("hosts") if isinstance(spec, dict) else None
    if not isinstance(hosts, list):
        return ()
    return tuple(host for host in hosts if isinstance(host, str) and host_fault(host) is None)


def _named_patterns(spec: Fields) -> Patterns:
    named: dict[str, tuple[Condition, ...]] = {}
    for name in spec.group("patterns").data:
        found: list[Condition] = []
        for item in spec.group("patterns").items(name):
            item.known("selector", "operator", "value")
            found += _pattern(item)
        named[name] = tuple(found)
    return named


def _pattern(item: Fields) -> list[Condition]:
    selector, operator = item.required_text("selector"), item.required_text("operator")
    value = item.text("value")
    if operator and operator not in PATTERN_OPERATORS:
        item.fault(f"expected one of {', '.join(PATTERN_OPERATORS)}", "operator")
        return []
    if not (selector and operator):
        return []
    try:
        return [PatternTest(compile_pattern(selector, operator, value))]
    except ExpressionError as error:
        item.fault(str(error))
        return []


def compile_cel(text: str, fields: Fields, *steps: str) -> Expression | None:
    try:
        return compile_expression(text, Context.AUTHORIZATION, strict=True)
    except ExpressionSyntaxError as error:
        where = f" (line {error.line}, column {error.column})"
        fields.fault(f"{error.message}{where}", *steps)
    return None


def _may_be_bool(expression: Expression) -> bool:
    return expression.result in ("BOOL", "DYN")


class _Reader:
    """Reads the parts that may refer to named patterns."""

    def __init__(self, patterns: Patterns) -> None:
        self.patterns = patterns

    # ---- conditions

    def conditions(self, fields: Fields, name: str, depth: int = 0) -> tuple[Condition, ...]:
        found: list[Condition] = []
        for item in fields.items(name):
            found += self.condition(item, depth)
        return tuple(found)

    def condition(self, item: Fields, depth: int) -> list[Condition]:
        """All parts of an item must hold; an empty `any` has no say."""
        item.known("selector", "operator", "value", "patternRef", "predicate", "all", "any")
        if not item.data:
            item.fault("expected a pattern, patternRef, predicate, all or any")
        if depth >= MOST_NESTING:
            item.fault(f"groups are nested deeper than {MOST_NESTING}")
            return []
        found: list[Condition] = []
        if {"selector", "operator", "value"} & item.data.keys():
            found += _pattern(item)
        if "patternRef" in item.data:
            found += self.reference(item)
        if "predicate" in item.data:
            expression = compile_cel(item.text("predicate"), item, "predicate")
            if expression is not None and _may_be_bool(expression):
                found.append(Predicate(expression))
            elif expression is not None:
                item.fault("expected an expression that gives a boolean", "predicate")
        if "all" in item.data:
            found.append(All(self.conditions(item, "all", depth + 1)))
        if item.data.get("any"):
            found.append(AnyItem(self.conditions(item, "any", depth + 1)))
        return found

    def reference(self, item: Fields) -> tuple[Condition, ...]:
        name = item.required_text("patternRef")
        if name not in self.patterns:
            item.fault(f"{name!r} is not defined in spec.patterns", "patternRef")
            return ()
        return self.patterns[name]

    # ---- evaluators

    def authentication(self, spec: Fields) -> tuple[Authentication, ...]:
        found = []
        missing = (
            "jwt",
            "oauth2Introspection",
            "kubernetesTokenReview",
            "x509",
            "cache",
        )
        known = ("apiKey", "anonymous", "plain", "credentials", "defaults", "overrides")
        for name, entry in spec.groups("authentication"):
            entry.known(*known, *COMMON, missing=missing)
            if not any(method in entry.data for method in missing[:4]):
                entry.one_of("apiKey", "anonymous", "plain")
            credential, challenge = _credential(entry.group("credentials"))
            method: ApiKey | Anonymous | Plain = Anonymous()
            if "apiKey" in entry.data:
                method = _api_key(entry)
            elif "plain" in entry.data:
                method, challenge = _plain(entry.group("plain"))
            else:
                challenge = "Bearer"
            found.append(
                Authentication(
                    name,
                    method,
                    credential,
                    challenge,
                    entry.integer("priority"),
                    self.conditions(entry, "when"),
                    entry.boolean("metrics"),
                    {key: _value(inner) for key, inner in entry.groups("defaults")},
                    {key: _value(inner) for key, inner in entry.groups("overrides")},
                )
            )
        if not found:
            anonymous = Authentication(
                "anonymous", Anonymous(), Credential(), "Bearer", 0, (), False
            )
            found.append(anonymous)
        return tuple(found)

    def authorization(self, spec: Fields) -> tuple[Authorization, ...]:
        found = []
        missing = ("opa", "kubernetesSubjectAccessReview", "spicedb", "cache")
        for name, entry in spec.groups("authorization"):
            entry.known("patternMatching", *COMMON, missing=missing)
            if not any(method in entry.data for method in missing[:3]):
                entry.one_of("patternMatching")
            matching = entry.group("patternMatching")
            matching.known("patterns")
            if "patternMatching" in entry.data and not matching.has("patterns"):
                matching.fault("is required", "patterns")
            found.append(
                Authorization(
                    name,
                    self.conditions(matching, "patterns"),
                    entry.integer("priority"),
                    self.conditions(entry, "when"),
                    entry.boolean("metrics"),
                )
            )
        return tuple(found)

    # ---- responses

    def denial(self, response: Fields, name: str) -> Denial:
        response.known("unauthenticated", "unauthorized", "success")
        fields = response.group(name)
        fields.known("code", "message", "body", "headers")
        code = fields.integer("code")
        if code and not 300 <= code <= 599:
            fields.fault("expected an HTTP status from 300 to 599", "code")
        headers = None
        if fields.has("headers"):
            headers = {key: _value(inner) for key, inner in fields.groups("headers")}
            _check_header_names(fields, headers)
        message = _value(fields.group("message")) if fields.has("message") else None
        body = _value(fields.group("body")) if fields.has("body") else None
        return Denial(code, message, body, headers)

    def success(self, response: Fields) -> tuple[SuccessItem, ...]:
        success = response.group("success")
        success.known("headers", "dynamicMetadata")
        found = [
            self.success_item(name, entry, Target.HEADER)
            for name, entry in success.groups("headers")
        ]
        found += [
            self.success_item(name, entry, Target.DYNAMIC_METADATA)
            for name, entry in success.groups("dynamicMetadata")
        ]
        return tuple(found)

    def success_item(self, name: str, entry: Fields, target: Target) -> SuccessItem:
        entry.known("key", "plain", "json", *COMMON, missing=("wristband", "cache"))
        if "wristband" not in entry.data:
            entry.one_of("plain", "json")
        plain = _value(entry.group("plain")) if "plain" in entry.data else None
        properties = None
        if "json" in entry.data:
            body = entry.group("json")
            body.known("properties")
            properties = {key: _value(inner) for key, inner in body.groups("properties")}
        key = entry.text("key") or name
        if target is Target.HEADER:
            _check_header_names(entry, {key: plain})
        return SuccessItem(
            name,
            key,
            target,
            plain,
            properties,
            entry.integer("priority"),
            self.conditions(entry, "when"),
            entry.boolean("metrics"),
        )


def _check_header_names(fields: Fields, names: Mapping[str, object]) -> None:
    """RFC 9110 §5.1: a field name is a token. Pseudo headers are Envoy's own."""
    for name in names:
        if not TOKEN.fullmatch(name):
            fields.fault(f"{name!r} is not a header name")


def _value(fields: Fields) -> Value:
    """expression before selector before value, as Authorino takes them."""
    fields.known("value", "selector", "expression")
    if fields.text("expression"):
        expression = compile_cel(fields.text("expression"), fields, "expression")
        return StaticValue.of(None) if expression is None else ComputedValue(expression)
    if fields.text("selector"):
        try:
            return SelectedValue(compile_selector(fields.text("selector")))
        except ExpressionError as error:
            fields.fault(str(error), "selector")
    try:
        return StaticValue.of(fields.data.get("value"))
    except ValueError as error:
        fields.fault(str(error), "value")
    return StaticValue.of(None)


def _credential(fields: Fields) -> tuple[Credential, str]:
    """Where the credential is, and the identifier of its challenge."""
    kinds = ("authorizationHeader", "customHeader", "queryString", "cookie")
    fields.known(*kinds)
    if len(fields.data) > 1:
        fields.fault(f"expected at most one of {', '.join(kinds)}")
    if "customHeader" in fields.data:
        name = _required_name(fields.group("customHeader"))
        return Credential(Place.CUSTOM_HEADER, name.lower()), name
    if "queryString" in fields.data:
        name = _required_name(fields.group("queryString"))
        return Credential(Place.QUERY_STRING, name), name
    if "cookie" in fields.data:
        name = _required_name(fields.group("cookie"))
        return Credential(Place.COOKIE, name), name
    header = fields.group("authorizationHeader")
    header.known("prefix")
    prefix = header.text("prefix") or "Bearer"
    return Credential(Place.AUTHORIZATION_HEADER, prefix), prefix


def _required_name(fields: Fields) -> str:
    fields.known("name")
    return fields.required_text("name")


def _plain(fields: Fields) -> tuple[Plain, str]:
    """The source of the identity, and its text, which is the challenge."""
    fields.known("selector", "expression")
    fields.one_of("selector", "expression")
    return Plain(_value(fields)), fields.text("expression") or fields.text("selector")


def _api_key(entry: Fields) -> ApiKey:
    fields = entry.group("apiKey")
    fields.known("selector", "allNamespaces")
    if not fields.has("selector"):
        fields.fault("is required", "selector")
    return ApiKey(_label_selector(fields.group("selector")), fields.boolean("allNamespaces"))


def _label_selector(fields: Fields) -> LabelSelector:
    fields.known("matchLabels", "matchExpressions")
    labels = fields.group("matchLabels")
    pairs = frozenset((key, labels.text(key)) for key in labels.data)
    requirements = []
    for item in fields.items("matchExpressions"):
        item.known("key", "operator", "values")
        key, operator = item.required_text("key"), item.required_text("operator")
        values = item.texts("values")
        if operator not in OPERATORS:
            item.fault(f"expected one of {', '.join(OPERATORS)}", "operator")
        elif (operator in ("In", "NotIn")) != bool(values):
            item.fault(f"{operator} takes {'values' if not values else 'no values'}", "values")
        requirements.append(Requirement(key, operator, frozenset(values)))
    return LabelSelector(pairs, tuple(requirements))
