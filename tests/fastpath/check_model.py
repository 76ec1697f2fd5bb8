"""The pipeline of `rule.Rule` written down once more in plain Python, to compare answers with.

Expressions are small terms that know both forms: the native program and a Python evaluation over
the authorization JSON.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from _fastpath.check_codec import CheckRequest, encode_check_response
from _fastpath.document import NativeDocument
from _fastpath.json_form import json_form_of
from _fastpath.program import ProgramBuilder
from _fastpath.rule import CONDITION_FAILED, CREDENTIAL_MISSING, KEY_INVALID, UNAUTHORIZED
from _fastpath.rule_spec import (
    AllOf,
    AnyOf,
    Authentication,
    Denial,
    RuleSpec,
    SuccessItem,
    Target,
)
from _fastpath.text import json_of_value, text_of_value

ROOTS = ("request", "source", "destination", "metadata", "auth", "context")
NO_SUCH_KEY = 1
JSON = dict[str, Any]


class EvaluationError(Exception):
    """A term has no value."""


@dataclass(frozen=True)
class Term:
    """`run` evaluates over the authorization JSON."""

    native: Any = field(compare=False)
    run: Callable[[JSON], Any] = field(compare=False)
    label: str

    def __repr__(self) -> str:
        return self.label


def constant(value: Any) -> Term:
    builder = ProgramBuilder()
    builder.constant(value)
    return Term(builder.finish(), lambda _: value, repr(value))


def static(value: Any) -> Term:
    return Term(NativeDocument(value, numbers_as_double=True), lambda _: value, f"static {value!r}")


def failing() -> Term:
    builder = ProgramBuilder()
    builder.error(NO_SUCH_KEY)

    def run(_: JSON) -> Any:
        raise EvaluationError

    return Term(builder.finish(), run, "error")


def walk(document: JSON, path: tuple[str, ...]) -> Any:
    value: Any = document
    for name in path:
        if not isinstance(value, dict) or name not in value:
            raise KeyError(name)
        value = value[name]
    return value


def selector(*path: str) -> Term:
    """A dotted selector: nothing where the path leads nowhere."""
    builder = ProgramBuilder()
    node = builder.node("root_or_absent", slot=ROOTS.index(path[0]))
    for name in path[1:]:
        node = builder.node("member", node, text=name)

    def run(document: JSON) -> Any:
        try:
            return walk(document, path)
        except KeyError:
            return None

    return Term(builder.finish(), run, ".".join(path))


def strict(*path: str) -> Term:
    """A CEL selection: an error where the path leads nowhere."""
    builder = ProgramBuilder()
    node = builder.node("root", slot=ROOTS.index(path[0]))
    for name in path[1:]:
        node = builder.node("select", node, text=name)

    def run(document: JSON) -> Any:
        try:
            return walk(document, path)
        except KeyError:
            raise EvaluationError from None

    return Term(builder.finish(), run, "strict " + ".".join(path))


def equals(text: str, *path: str) -> Term:
    """The `eq` of patternMatching."""
    builder = ProgramBuilder()
    node = builder.node("root_or_absent", slot=ROOTS.index(path[0]))
    for name in path[1:]:
        node = builder.node("member", node, text=name)
    builder.node("text_equal", node, text=text)

    def run(document: JSON) -> Any:
        try:
            return text_of_value(walk(document, path)) == text
        except KeyError:
            return text == ""

    return Term(builder.finish(), run, ".".join(path) + f" eq {text!r}")


class Model:
    """One AuthConfig. `terms` finds the term of a compiled program or document by identity."""

    def __init__(self, spec: RuleSpec, terms: Iterable[Term], keys: dict[tuple[int, bytes], Any]):
        self.spec = spec
        self.terms = {id(term.native): term for term in terms}
        self.keys = keys

    def answer(self, request: CheckRequest) -> bytes:
        document: JSON = request.attributes() | {"auth": {}}
        auth: JSON = document["auth"]
        when = self.hold(self.spec.when, document)
        if when is False:
            return encode_check_response(0)
        if when is None:
            return self.deny(self.spec.unauthorized, document, 7, 403, CONDITION_FAILED)
        denied = self.authenticate(request, document) or self.authorize(document)
        if denied is not None:
            return denied
        headers, metadata = self.succeed(document, auth)
        return encode_check_response(0, headers=headers, dynamic_metadata=metadata)

    def hold(self, conditions: Iterable[Any], document: JSON) -> bool | None:
        """None: an evaluation error."""
        for condition in conditions:
            held = self.condition(condition, document)
            if held is not True:
                return held
        return True

    def condition(self, condition: Any, document: JSON) -> bool | None:
        if isinstance(condition, AllOf):
            return self.hold(condition.items, document)
        if isinstance(condition, AnyOf):
            for item in condition.items:
                held = self.condition(item, document)
                if held is not False:
                    return held
            return False
        try:
            value = self.value(condition, document)
        except EvaluationError:
            return None
        return value if isinstance(value, bool) else None

    def value(self, source: Any, document: JSON) -> Any:
        return self.terms[id(source)].run(document)

    def text(self, source: Any, document: JSON) -> str:
        try:
            return text_of_value(self.value(source, document))
        except (EvaluationError, ValueError):
            return ""

    def deny(
        self, custom: Denial, document: JSON, code: int, http_status: int, reason: str
    ) -> bytes:
        headers: list[tuple[str, str]] = []
        if custom.headers is not None:
            headers = [(name, self.text(source, document)) for name, source in custom.headers]
        elif code == 16:
            headers = [
                ("WWW-Authenticate", f'{entry.challenge} realm="{entry.name}"')
                for entry in self.spec.authentication
            ]
        if custom.message is not None:
            reason = self.text(custom.message, document)
        return encode_check_response(
            code,
            http_status=custom.code or http_status,
            headers=headers,
            reason=reason,
            body="" if custom.body is None else self.text(custom.body, document),
        )

    def authenticate(self, request: CheckRequest, document: JSON) -> bytes | None:
        entries = self.spec.authentication
        errors: dict[str, str] = {}
        for entry in sorted(entries, key=lambda entry: entry.priority):
            if self.hold(entry.when, document) is not True:
                continue
            identity = self.identify(entry, request)
            if not isinstance(identity, str):
                document["auth"]["identity"] = identity
                return None
            errors[entry.name] = identity
        reason = json_of_value(errors, go_escapes=True)
        if len(entries) == 1 and errors:
            (reason,) = errors.values()
        return self.deny(self.spec.unauthenticated, document, 16, 401, reason)

    def identify(self, entry: Authentication, request: CheckRequest) -> Any:
        if entry.key_set is None:
            return {"anonymous": True}
        credential = request.credential(entry.credential.place, entry.credential.name)
        if credential is None:
            return CREDENTIAL_MISSING
        return self.keys.get((entry.key_set, credential), KEY_INVALID)

    def authorize(self, document: JSON) -> bytes | None:
        entries = self.spec.authorization
        for priority in sorted({entry.priority for entry in entries}):
            passed = {}
            for entry in entries:
                if entry.priority != priority:
                    continue
                held = self.hold(entry.when, document)
                if held is False:
                    continue
                if held is True:
                    held = self.hold(entry.patterns, document)
                if held is not True:
                    reason = UNAUTHORIZED if held is False else CONDITION_FAILED
                    return self.deny(self.spec.unauthorized, document, 7, 403, reason)
                passed[entry.name] = True
            if passed:
                document["auth"].setdefault("authorization", {}).update(passed)
        return None

    def succeed(self, document: JSON, auth: JSON) -> tuple[list[tuple[str, str]], JSON]:
        items = self.spec.success
        done: dict[int, Any] = {}
        texts: dict[int, str] = {}
        for priority in sorted({item.priority for item in items}):
            for index, item in enumerate(items):
                if item.priority == priority and self.hold(item.when, document) is True:
                    try:
                        value = json_form_of(self.item_value(item, document))
                        texts[index] = (
                            json_of_value(value, go_escapes=True)
                            if item.json is not None
                            else text_of_value(value)
                        )
                        done[index] = value
                    except (EvaluationError, ValueError):
                        continue
            visible = {items[index].name: value for index, value in done.items()}
            if visible:
                auth["response"] = visible
        headers = [
            (items[index].key, texts[index])
            for index in sorted(done)
            if items[index].target == Target.HEADER and done[index] is not None
        ]
        metadata = {
            items[index].key: done[index]
            for index in sorted(done)
            if items[index].target == Target.DYNAMIC_METADATA
        }
        return headers, metadata

    def item_value(self, item: SuccessItem, document: JSON) -> Any:
        if item.json is None:
            return self.value(item.plain, document)
        return {name: self.value(source, document) for name, source in item.json}
