"""The pipeline of `rule.Rule` written down once more in plain Python, to compare answers with.

Expressions are small terms that know both forms: the native program and a Python evaluation over
the authorization JSON.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from types import MappingProxyType
from typing import Any, TypeVar

from _fastpath.check_codec import CheckRequest, encode_check_response
from _fastpath.document import NativeDocument
from _fastpath.json_form import json_form_of
from _fastpath.program import ProgramBuilder
from _fastpath.remembered import result_key
from _fastpath.rule import (
    CONDITION_FAILED,
    CREDENTIAL_MISSING,
    IDENTITY_MISSING,
    IDENTITY_NO_OBJECT,
    KEY_INVALID,
    UNAUTHORIZED,
)
from _fastpath.rule_spec import (
    AllOf,
    AnyOf,
    Authentication,
    Denial,
    Entry,
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


@dataclass(frozen=True)
class Failure:
    """Why an entry does not authenticate."""

    text: str


class Deferred(Exception):
    """The full lane decides."""


E = TypeVar("E", bound=Entry)


def by_group(entries: Iterable[E]) -> list[list[tuple[int, E]]]:
    """Entries with their places, in order of evaluation, by priority."""
    ordered = sorted(enumerate(entries), key=lambda pair: (pair[1].priority, pair[1].waits))
    return [list(group) for _, group in groupby(ordered, key=lambda pair: pair[1].priority)]


MISSED = object()


def left_out(entry: Entry) -> object:
    """A foreign entry."""
    if entry.waits:
        return MISSED
    raise Deferred


class Model:
    """One AuthConfig. `terms` finds the term of a compiled program or document by identity.

    keys: identities by key set and key; remembered: results by scope and key.
    """

    def __init__(
        self,
        spec: RuleSpec,
        terms: Iterable[Term],
        keys: dict[tuple[int, bytes], Any],
        remembered: Mapping[tuple[int, bytes], Any] = MappingProxyType({}),
    ):
        self.spec = spec
        self.terms = {id(term.native): term for term in terms}
        self.keys = keys
        self.remembered = remembered

    def answer(self, request: CheckRequest) -> bytes:
        document: JSON = request.attributes() | {"auth": {}}
        auth: JSON = document["auth"]
        when = self.hold(self.spec.when, document)
        if when is False or (when is None and self.spec.skip_failed_conditions):
            return encode_check_response(0)
        if when is None:
            return self.deny(self.spec.unauthorized, document, 7, 403, CONDITION_FAILED)
        denied = self.authenticate(request, document)
        if denied is None:
            self.fetch(document)
            denied = self.authorize(document)
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

    def recall(self, entry: Entry, document: JSON, credential: bytes | None = None) -> Any:
        """What is remembered, MISSED if nothing is."""
        assert entry.remembered is not None
        key = credential
        if entry.remembered.key is not None:
            try:
                key = result_key(self.value(entry.remembered.key, document), credential)
            except EvaluationError:
                key = None
        return MISSED if key is None else self.remembered.get((entry.remembered.scope, key), MISSED)

    def authenticate(self, request: CheckRequest, document: JSON) -> bytes | None:
        entries = self.spec.authentication
        errors: dict[str, str] = {}
        for group in by_group(entries):
            missed = False
            for _, entry in group:
                if self.hold(entry.when, document) is not True:
                    continue
                identity = self.identify(entry, request, document)
                if identity is MISSED:
                    missed = True
                elif isinstance(identity, Failure):
                    errors[entry.name] = identity.text
                else:
                    document["auth"]["identity"] = identity
                    return None
            if missed:
                raise Deferred
        reason = json_of_value(errors, go_escapes=True)
        if len(entries) == 1 and errors:
            (reason,) = errors.values()
        return self.deny(self.spec.unauthenticated, document, 16, 401, reason)

    def identify(self, entry: Authentication, request: CheckRequest, document: JSON) -> Any:
        """The identity, a Failure or MISSED."""
        identity = self.proven(entry, request, document)
        if identity is MISSED or isinstance(identity, Failure):
            return identity
        if not entry.defaults and not entry.overrides:
            return identity
        if not isinstance(identity, dict):
            return Failure(IDENTITY_NO_OBJECT)
        seen = {**document, "auth": {**document["auth"], "identity": identity}}
        try:
            missing = [(name, s) for name, s in entry.defaults if name not in identity]
            defaults = {name: json_form_of(self.value(s, seen)) for name, s in missing}
            overrides = {name: json_form_of(self.value(s, seen)) for name, s in entry.overrides}
        except (EvaluationError, ValueError):
            raise Deferred from None
        return {**defaults, **identity, **overrides}

    def proven(self, entry: Authentication, request: CheckRequest, document: JSON) -> Any:
        if entry.foreign:
            return left_out(entry)
        if entry.plain is not None:
            try:
                value = json_form_of(self.value(entry.plain, document))
            except (EvaluationError, ValueError):
                raise Deferred from None
            return Failure(IDENTITY_MISSING) if value is None else value
        if entry.key_set is None and entry.remembered is None:
            return {"anonymous": True}
        credential = request.credential(entry.credential.place, entry.credential.name)
        keyed = entry.remembered is not None and entry.remembered.key is not None
        if credential is None and not keyed:
            return Failure(CREDENTIAL_MISSING)
        if entry.remembered is not None:
            return self.recall(entry, document, credential)
        assert credential is not None
        return self.keys.get((entry.key_set or 0, credential), Failure(KEY_INVALID))

    def fetch(self, document: JSON) -> None:
        for group in by_group(self.spec.metadata):
            found = {}
            for _, entry in group:
                held = self.hold(entry.when, document)
                if held is None and entry.required and not self.spec.skip_failed_conditions:
                    raise Deferred
                if held is not True:
                    continue
                if entry.foreign:
                    raise Deferred
                found[entry.name] = self.recall(entry, document)
                if found[entry.name] is MISSED:
                    raise Deferred
            if found:
                document["auth"].setdefault("metadata", {}).update(found)

    def authorize(self, document: JSON) -> bytes | None:
        for group in by_group(self.spec.authorization):
            passed = {}
            for _, entry in group:
                held = self.hold(entry.when, document)
                if held is False or (held is None and self.spec.skip_failed_conditions):
                    continue
                result: Any = True
                if held is True:
                    if entry.foreign:
                        result = left_out(entry)
                    elif entry.remembered is not None:
                        result = self.recall(entry, document)
                    else:
                        held = self.hold(entry.patterns, document)
                if held is not True:
                    reason = UNAUTHORIZED if held is False else CONDITION_FAILED
                    return self.deny(self.spec.unauthorized, document, 7, 403, reason)
                passed[entry.name] = result
            if MISSED in passed.values():
                raise Deferred
            if passed:
                document["auth"].setdefault("authorization", {}).update(passed)
        return None

    def succeed(self, document: JSON, auth: JSON) -> tuple[list[tuple[str, str]], JSON]:
        items = self.spec.success
        done: dict[int, Any] = {}
        texts: dict[int, str] = {}
        for group in by_group(items):
            for index, item in group:
                if self.hold(item.when, document) is not True:
                    continue
                try:
                    value = json_form_of(self.item_value(item, document))
                    texts[index] = (
                        json_of_value(value, go_escapes=True)
                        if item.json is not None or item.as_json
                        else text_of_value(value)
                    )
                    done[index] = value
                except (EvaluationError, ValueError):
                    continue
            shown = sorted(done, key=lambda index: (items[index].priority, index))
            visible = {items[index].name: done[index] for index in shown}
            if visible:
                auth["response"] = visible
        headers = [
            (items[index].key, texts[index])
            for index in sorted(done)
            if items[index].target == Target.HEADER
            and (done[index] is not None or items[index].as_json)
        ]
        metadata = {
            items[index].key: done[index]
            for index in sorted(done)
            if items[index].target == Target.DYNAMIC_METADATA
        }
        return headers, metadata

    def item_value(self, item: SuccessItem, document: JSON) -> Any:
        if item.foreign:
            raise Deferred
        if item.remembered is not None:
            value = self.recall(item, document)
            if value is MISSED:
                raise Deferred
            return value
        if item.json is None:
            return self.value(item.plain, document)
        return {name: self.value(source, document) for name, source in item.json}
