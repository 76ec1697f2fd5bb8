"""From an AuthConfig to the plain data that the native lane compiles.

An entry is native, remembered (the native lane finds what earlier requests of the full lane found
out), or foreign: left to the full lane once it has its turn.
"""

from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from typing import Any

from _fastpath import rule_spec
from authz.condition import Condition, native, refusals
from authz.config import AuthConfig, Authentication, Denial
from authz.evaluator import IdentityEvaluator
from authz.evaluators.anonymous import Anonymous
from authz.evaluators.api_key import ApiKey
from authz.evaluators.pattern_matching import PatternMatching
from authz.evaluators.plain import Plain
from authz.evaluators.response_values import JsonItem, PlainItem
from authz.evaluators.x509 import X509
from authz.open_config import OpenConfig, OpenEntry
from authz.value import Value

Item = OpenEntry[Any, Any]
Parts = dict[str, Any]
NOT_NATIVE = "is evaluated in the full lane"


class _Foreign(Exception):
    """What is asked for has no native form; the text says why."""


def rule_spec_of(opened: OpenConfig, *, throttled: bool = False) -> rule_spec.RuleSpec:
    """throttled: whether failed authentications are."""
    config = opened.config
    refusal = next(_refusals(config), None)
    if refusal is not None:
        return rule_spec.RuleSpec(config.namespace, config.name, refusal=refusal)
    return rule_spec.RuleSpec(
        namespace=config.namespace,
        name=config.name,
        when=native(config.when),
        authentication=tuple(map(_authentication, opened.authentication)),
        metadata=tuple(
            rule_spec.Metadata(required=item.entry.required, **_parts(item))
            for item in opened.metadata
        ),
        authorization=tuple(
            rule_spec.Authorization(**_parts(item)) for item in opened.authorization
        ),
        unauthenticated=_denial(config.unauthenticated),
        unauthorized=_denial(config.unauthorized),
        success=tuple(map(_success, opened.success)),
        skip_failed_conditions=config.skip_failed_conditions,
        throttled=throttled,
    )


def lane_of(spec: rule_spec.RuleSpec) -> str:
    """`fast`, `fast until <entry>: <why>`, or `full: <why>`."""
    if spec.refusal is not None:
        return f"full: {spec.refusal}"
    for entry in chain(spec.authentication, spec.metadata, spec.authorization, spec.success):
        if entry.foreign:
            return f"fast until {entry.name!r}: {entry.foreign}"
    return "fast"


def _refusals(config: AuthConfig) -> Iterator[str]:
    """Everything that keeps the whole AuthConfig in the full lane."""
    for callback in config.callbacks:
        yield f"{callback.name!r} is called after every decision"
    yield from refusals(config.when)
    for denial in (config.unauthenticated, config.unauthorized):
        values = [denial.message, denial.body, *(denial.headers or {}).values()]
        for value in values:
            if value is not None and value.unit is None:
                yield value.refusal or "a value of a denial has no native form"


def _authentication(item: Item) -> rule_spec.Authentication:
    entry: Authentication = item.entry
    tried: Parts = {
        "challenge": entry.challenge,
        "credential": entry.credential,
        "takes_credential": entry.takes_credential,
        "app_id": entry.spec.app_id if isinstance(entry.spec, ApiKey) else None,
    }
    parts = _parts(item)
    try:
        parts |= {"defaults": _pairs(entry.defaults), "overrides": _pairs(entry.overrides)}
    except _Foreign as error:
        parts = _common(item) | {"foreign": str(error)}
    return rule_spec.Authentication(**tried | parts)


def _success(item: Item) -> rule_spec.SuccessItem:
    return rule_spec.SuccessItem(
        key=item.entry.key,
        target=item.entry.target,
        as_json=isinstance(item.entry.spec, JsonItem),
        **_parts(item),
    )


def _parts(item: Item) -> Parts:
    """What an entry of any phase has, and how it comes to its result."""
    common = _common(item)
    try:
        common["when"] = _conditions(item.entry.when)
        return common | _result(item)
    except _Foreign as error:
        return common | {"foreign": str(error)}


def _common(item: Item) -> Parts:
    entry = item.entry
    return {
        "name": entry.name,
        "priority": entry.priority,
        "waits": entry.cache is not None or not entry.kind.local,
        "metrics": entry.kind.label if entry.metrics else "",
    }


def _result(item: Item) -> Parts:
    if item.scopes is not None:
        return {
            "remembered": rule_spec.Remembered(item.scopes.results, _unit(item.entry.cache.key))
        }
    form = _FORMS.get(type(item.entry.spec))
    if form is not None:
        return form(item)
    evaluator = item.evaluator
    if not isinstance(evaluator, IdentityEvaluator) or evaluator.scope is None:
        raise _Foreign(NOT_NATIVE)
    return {"remembered": rule_spec.Remembered(evaluator.scope)}


def _x509(item: Item) -> Parts:
    credential = item.entry.spec.source.credential
    if credential is None:
        raise _Foreign(NOT_NATIVE)
    return {"credential": credential, "remembered": rule_spec.Remembered(item.evaluator.scope)}


def _unit(value: Value) -> rule_spec.ValueSource:
    if value.unit is None:
        raise _Foreign(value.refusal or NOT_NATIVE)
    return value.unit


def _conditions(conditions: tuple[Condition, ...]) -> tuple[rule_spec.Condition, ...]:
    refusal = next(refusals(conditions), None)
    if refusal is not None:
        raise _Foreign(refusal)
    return native(conditions)


def _pairs(values: Mapping[str, Value]) -> tuple[tuple[str, rule_spec.ValueSource], ...]:
    return tuple((name, _unit(value)) for name, value in values.items())


def _denial(denial: Denial) -> rule_spec.Denial:
    return rule_spec.Denial(
        code=denial.code,
        message=None if denial.message is None else _unit(denial.message),
        body=None if denial.body is None else _unit(denial.body),
        headers=None if denial.headers is None else _pairs(denial.headers),
    )


_FORMS: Mapping[type, Callable[[Item], Parts]] = {
    Anonymous: lambda item: {},
    ApiKey: lambda item: {"key_set": item.evaluator.key_set},
    X509: _x509,
    Plain: lambda item: {"plain": _unit(item.entry.spec.value)},
    PatternMatching: lambda item: {"patterns": _conditions(item.entry.spec.patterns)},
    PlainItem: lambda item: {"plain": _unit(item.entry.spec.value)},
    JsonItem: lambda item: {"json": _pairs(item.entry.spec.properties)},
}
