"""From an AuthConfig to the plain data that the native lane compiles."""

from collections.abc import Iterator, Mapping

from _fastpath import rule_spec
from authz.condition import native, refusals
from authz.config import Anonymous, AuthConfig, Denial, Plain, SuccessItem
from authz.value import Value


def rule_spec_of(
    config: AuthConfig, key_sets: Mapping[str, int], refusal: str | None
) -> rule_spec.RuleSpec:
    """The spec; `refusal` is the first of `native_refusals`."""
    if refusal is not None:
        return rule_spec.RuleSpec(config.namespace, config.name, refusal=refusal)
    return rule_spec.RuleSpec(
        namespace=config.namespace,
        name=config.name,
        when=native(config.when),
        authentication=tuple(
            rule_spec.Authentication(
                entry.name,
                entry.challenge,
                None if isinstance(entry.method, Anonymous) else key_sets[entry.name],
                entry.credential,
                entry.priority,
                native(entry.when),
            )
            for entry in config.authentication
        ),
        authorization=tuple(
            rule_spec.Authorization(
                entry.name, native(entry.patterns), entry.priority, native(entry.when)
            )
            for entry in config.authorization
        ),
        unauthenticated=_denial(config.unauthenticated),
        unauthorized=_denial(config.unauthorized),
        success=tuple(_success(item) for item in config.success),
    )


def native_refusals(config: AuthConfig) -> Iterator[str]:
    """Everything that keeps this AuthConfig in the full lane."""
    for evaluator in config.evaluators:
        if evaluator.metrics:
            yield f"{evaluator.name!r} has metrics"
    yield from refusals(config.when)
    for entry in config.authentication:
        yield from refusals(entry.when)
        if isinstance(entry.method, Plain):
            yield f"{entry.name!r} takes its identity from the request"
        if entry.defaults or entry.overrides:
            yield f"{entry.name!r} extends its identity"
    for rule in config.authorization:
        yield from refusals(rule.when)
        yield from refusals(rule.patterns)
    for value in _values(config):
        if value.unit is None:
            yield value.refusal or "a value has no native form"
    for item in config.success:
        yield from refusals(item.when)


def _values(config: AuthConfig) -> Iterator[Value]:
    for denial in (config.unauthenticated, config.unauthorized):
        yield from (part for part in (denial.message, denial.body) if part is not None)
        yield from (denial.headers or {}).values()
    for item in config.success:
        if item.plain is not None:
            yield item.plain
        yield from (item.json or {}).values()


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
        plain=None if item.plain is None else _unit(item.plain),
        json=None if item.json is None else _pairs(item.json),
        priority=item.priority,
        when=native(item.when),
    )
