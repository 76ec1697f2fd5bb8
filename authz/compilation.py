"""From an AuthConfig to the plain data that the native lane compiles."""

from collections.abc import Iterator, Mapping

from _fastpath import rule_spec
from authz.condition import native, refusals
from authz.config import AuthConfig, Denial, SuccessItem
from authz.evaluators.anonymous import Anonymous
from authz.evaluators.api_key import ApiKey, ApiKeyIdentity
from authz.evaluators.pattern_matching import PatternMatching
from authz.evaluators.response_values import JsonItem, PlainItem
from authz.open_config import OpenConfig
from authz.value import Value

NATIVE_KINDS = (ApiKey, Anonymous, PatternMatching, PlainItem, JsonItem)


def rule_spec_of(opened: OpenConfig, refusal: str | None) -> rule_spec.RuleSpec:
    """The spec; `refusal` is the first of `native_refusals`."""
    config = opened.config
    if refusal is not None:
        return rule_spec.RuleSpec(config.namespace, config.name, refusal=refusal)
    return rule_spec.RuleSpec(
        namespace=config.namespace,
        name=config.name,
        when=native(config.when),
        authentication=tuple(
            rule_spec.Authentication(
                item.entry.name,
                item.entry.challenge,
                item.evaluator.key_set if isinstance(item.evaluator, ApiKeyIdentity) else None,
                item.entry.credential,
                item.entry.priority,
                native(item.entry.when),
            )
            for item in opened.authentication
        ),
        authorization=tuple(
            rule_spec.Authorization(
                entry.name, native(entry.spec.patterns), entry.priority, native(entry.when)
            )
            for entry in config.authorization
            if isinstance(entry.spec, PatternMatching)
        ),
        unauthenticated=_denial(config.unauthenticated),
        unauthorized=_denial(config.unauthorized),
        success=tuple(_success(item) for item in config.success),
    )


def native_refusals(config: AuthConfig) -> Iterator[str]:
    """Everything that keeps this AuthConfig in the full lane."""
    if config.skip_failed_conditions:
        yield "failed conditions are skipped"
    yield from refusals(config.when)
    for entry in config.entries:
        if entry.metrics:
            yield f"{entry.name!r} has metrics"
        if entry.cache is not None or entry.deadline_s is not None:
            yield f"{entry.name!r} remembers results or has a deadline"
        if not isinstance(entry.spec, NATIVE_KINDS):
            yield f"{entry.name!r} is evaluated in the full lane"
        yield from refusals(entry.when)
    for identity in config.authentication:
        if isinstance(identity.spec, ApiKey) and identity.spec.app_id is not None:
            yield f"{identity.name!r} takes an id and a key"
        if identity.defaults or identity.overrides:
            yield f"{identity.name!r} extends its identity"
    for rule in config.authorization:
        if isinstance(rule.spec, PatternMatching):
            yield from refusals(rule.spec.patterns)
    for value in _values(config):
        if value.unit is None:
            yield value.refusal or "a value has no native form"


def _values(config: AuthConfig) -> Iterator[Value]:
    for denial in (config.unauthenticated, config.unauthorized):
        yield from (part for part in (denial.message, denial.body) if part is not None)
        yield from (denial.headers or {}).values()
    for item in config.success:
        if isinstance(item.spec, PlainItem):
            yield item.spec.value
        elif isinstance(item.spec, JsonItem):
            yield from item.spec.properties.values()


def _unit(value: Value) -> rule_spec.ValueSource:
    if value.unit is None:
        raise ValueError("a refused value has no native form")
    return value.unit


def _pairs(values: Mapping[str, Value]) -> tuple[tuple[str, rule_spec.ValueSource], ...]:
    return tuple((name, _unit(value)) for name, value in values.items())


def _denial(denial: Denial) -> rule_spec.Denial:
    return rule_spec.Denial(
        code=denial.code,
        message=None if denial.message is None else _unit(denial.message),
        body=None if denial.body is None else _unit(denial.body),
        headers=None if denial.headers is None else _pairs(denial.headers),
    )


def _success(item: SuccessItem) -> rule_spec.SuccessItem:
    return rule_spec.SuccessItem(
        name=item.name,
        key=item.key,
        target=item.target,
        plain=_unit(item.spec.value) if isinstance(item.spec, PlainItem) else None,
        json=_pairs(item.spec.properties) if isinstance(item.spec, JsonItem) else None,
        priority=item.priority,
        when=native(item.when),
    )
