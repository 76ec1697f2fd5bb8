"""The full lane of Check: the reference for what an AuthConfig means.

The steps, orders and reasons are those of `_fastpath/rule.pyi`; the native lane gives the same
bytes.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from _fastpath.check_codec import CheckRequest, encode_check_response
from _fastpath.identity import IdentityTable
from _fastpath.json_form import json_form_of
from _fastpath.rpc import Status
from _fastpath.rule import CONDITION_FAILED, CREDENTIAL_MISSING, KEY_INVALID, UNAUTHORIZED
from _fastpath.rule_spec import Target
from _fastpath.text import json_of_value, text_of_value
from authz.condition import holds
from authz.config import (
    Anonymous,
    AuthConfig,
    Authentication,
    Authorization,
    Denial,
    Evaluator,
    Plain,
    SuccessItem,
)
from authz.errors import Unauthenticated
from authz.value import Value
from expressions.errors import ErrorCode, EvaluationError

ANONYMOUS: Mapping[str, object] = {"anonymous": True}
IDENTITY_MISSING = "could not retrieve identity object or null"
VALUE_FAILED = "the expression could not be evaluated"
IDENTITY_NO_OBJECT = "the identity is no object and cannot be extended"
_QUOTED = re.compile('"(.*)"', re.DOTALL)


@dataclass(frozen=True, slots=True)
class Verdict:
    """An encoded CheckResponse, and the status it is counted under.

    skipped: the top-level `when` did not match, so nothing counts for the AuthConfig.
    """

    answer: bytes
    status: Status
    skipped: bool = False


class Pipeline:
    """One request against one AuthConfig; `key_sets` are the numbers of its apiKey entries.

    turns: evaluators with metrics that had theirs, as "total" and then "ignored" or "denied".
    """

    def __init__(
        self,
        config: AuthConfig,
        key_sets: Mapping[str, int],
        identities: IdentityTable,
        request: CheckRequest,
    ) -> None:
        self._config = config
        self._key_sets = key_sets
        self._identities = identities
        self._request = request
        self.turns: list[tuple[Evaluator, str]] = []
        self._auth: Mapping[str, object] = {}
        self._document: dict[str, object] = {**request.attributes(), "auth": self._auth}

    def run(self) -> Verdict:
        try:
            if not holds(self._config.when, self._document):
                answer = encode_check_response(Status.OK, dynamic_metadata={})
                return Verdict(answer, Status.OK, skipped=True)
        except EvaluationError:
            return self._forbid(CONDITION_FAILED)
        failures = self._authenticate()
        if failures is not None:
            return self._unauthenticated(failures)
        reason = self._authorize()
        if reason is not None:
            return self._forbid(reason)
        return self._succeed()

    # ---- who

    def _authenticate(self) -> dict[str, str] | None:
        """Errors by entry, or None once an entry has succeeded and set the identity."""
        failures: dict[str, str] = {}
        for entry in sorted(self._config.authentication, key=_priority):
            if not self._applies(entry):
                continue
            try:
                identity = self._extended(entry, self._identify(entry))
            except Unauthenticated as error:
                self._note(entry, "denied")
                failures[entry.name] = str(error)
                continue
            self._extend({"identity": identity})
            return None
        return failures

    def _applies(self, entry: Authentication | SuccessItem) -> bool:
        """Whether `when` holds; here a failure only leaves the entry out, which grants nothing."""
        self._note(entry, "total")
        try:
            applies = holds(entry.when, self._document)
        except EvaluationError:
            applies = False
        if not applies:
            self._note(entry, "ignored")
        return applies

    def _note(self, evaluator: Evaluator, outcome: str) -> None:
        if evaluator.metrics:
            self.turns.append((evaluator, outcome))

    def _identify(self, entry: Authentication) -> object:
        """Raises Unauthenticated."""
        if isinstance(entry.method, Anonymous):
            return dict(ANONYMOUS)
        if isinstance(entry.method, Plain):
            identity = _resolved(entry.method.value, self._document)
            if identity is None:
                raise Unauthenticated(IDENTITY_MISSING)
            return identity
        credential = self._request.credential(entry.credential.place, entry.credential.name)
        if credential is None:
            raise Unauthenticated(CREDENTIAL_MISSING)
        found = self._identities.find(self._key_sets[entry.name], credential)
        if found is None:
            raise Unauthenticated(KEY_INVALID)
        return found.to_python()

    def _extended(self, entry: Authentication, identity: object) -> object:
        """With defaults and overrides; both see the identity without them."""
        if not entry.defaults and not entry.overrides:
            return identity
        if not isinstance(identity, dict):
            raise Unauthenticated(IDENTITY_NO_OBJECT)
        document = {**self._document, "auth": {**self._auth, "identity": identity}}
        defaults = {
            name: _resolved(value, document)
            for name, value in entry.defaults.items()
            if name not in identity
        }
        overrides = {name: _resolved(value, document) for name, value in entry.overrides.items()}
        return {**defaults, **identity, **overrides}

    # ---- may they

    def _authorize(self) -> str | None:
        """The reason of a refusal, or None."""
        for _, group in groupby(sorted(self._config.authorization, key=_priority), key=_priority):
            passed: dict[str, object] = {}
            for entry in group:
                granted = self._grant(entry)
                if isinstance(granted, str):
                    self._note(entry, "denied")
                    return granted
                if granted:
                    passed[entry.name] = True
                else:
                    self._note(entry, "ignored")
            self._extend_phase("authorization", passed)
        return None

    def _grant(self, entry: Authorization) -> bool | str:
        """True when granted, False when skipped, else the reason."""
        self._note(entry, "total")
        try:
            if not holds(entry.when, self._document):
                return False
            return True if holds(entry.patterns, self._document) else UNAUTHORIZED
        except EvaluationError:
            return CONDITION_FAILED

    def _extend(self, members: Mapping[str, object]) -> None:
        """A new `auth` with these members: a value may hold the old one, which must not change."""
        self._auth = {**self._auth, **members}
        self._document["auth"] = self._auth

    def _extend_phase(self, phase: str, results: Mapping[str, object]) -> None:
        if results:
            before = self._auth.get(phase)
            self._extend({phase: {**before, **results} if isinstance(before, dict) else results})

    # ---- answers

    def _unauthenticated(self, failures: Mapping[str, str]) -> Verdict:
        entries = self._config.authentication
        if len(entries) == 1 and failures:
            reason = next(iter(failures.values()))
        else:
            reason = json_of_value(dict(failures), go_escapes=True)
        challenges = [
            ("WWW-Authenticate", f'{entry.challenge} realm="{entry.name}"') for entry in entries
        ]
        denial = self._config.unauthenticated
        return self._deny(Status.UNAUTHENTICATED, 401, reason, challenges, denial)

    def _forbid(self, reason: str) -> Verdict:
        return self._deny(Status.PERMISSION_DENIED, 403, reason, (), self._config.unauthorized)

    def _deny(
        self,
        status: Status,
        http_status: int,
        reason: str,
        headers: Sequence[tuple[str, str]],
        custom: Denial,
    ) -> Verdict:
        if custom.headers is not None:
            headers = [(name, self._text(value)) for name, value in custom.headers.items()]
        answer = encode_check_response(
            status,
            http_status=custom.code or http_status,
            headers=headers,
            reason=reason if custom.message is None else self._text(custom.message),
            body="" if custom.body is None else self._text(custom.body),
        )
        return Verdict(answer, status)

    def _text(self, value: Value) -> str:
        """Text of a denial's part; what cannot be resolved is empty, the denial stands."""
        try:
            return text_of_value(value.resolve(self._document))
        except (EvaluationError, ValueError):
            return ""

    def _succeed(self) -> Verdict:
        values: dict[int, object] = {}
        items = list(enumerate(self._config.success))
        for _, group in groupby(sorted(items, key=_item_priority), key=_item_priority):
            found = [(at, item, self._item(item)) for at, item in group]
            kept = [(at, item, value) for at, item, value in found if value is not _DROPPED]
            values.update((at, value) for at, _, value in kept)
            self._extend_phase("response", {item.name: value for _, item, value in kept})
        chosen = [(item, values[at]) for at, item in items if at in values]
        answer = encode_check_response(
            Status.OK,
            headers=list(_headers(chosen)),
            dynamic_metadata={
                item.key: value for item, value in chosen if item.target is Target.DYNAMIC_METADATA
            },
        )
        return Verdict(answer, Status.OK)

    def _item(self, item: SuccessItem) -> object:
        """The item's value, or _DROPPED."""
        if not self._applies(item):
            return _DROPPED
        try:
            if item.plain is not None:
                return json_form_of(item.plain.resolve(self._document))
            properties = item.json or {}
            return json_form_of(
                {name: value.resolve(self._document) for name, value in properties.items()}
            )
        except (EvaluationError, ValueError):
            self._note(item, "denied")
            return _DROPPED


_DROPPED = object()


def _resolved(value: Value, document: Mapping[str, object]) -> object:
    """In JSON form. Raises Unauthenticated."""
    try:
        return json_form_of(value.resolve(document))
    except EvaluationError as error:
        key = _QUOTED.search(str(error)) if error.code is ErrorCode.NO_SUCH_KEY else None
        raise Unauthenticated(f"no such key: {key[1]}" if key else VALUE_FAILED) from error
    except ValueError as error:
        raise Unauthenticated(VALUE_FAILED) from error


def _priority(entry: Authentication | Authorization) -> int:
    return entry.priority


def _item_priority(entry: tuple[int, SuccessItem]) -> int:
    return entry[1].priority


def _headers(items: Iterable[tuple[SuccessItem, object]]) -> Iterable[tuple[str, str]]:
    """Success headers in order of declaration; a plain value that is null is left out."""
    for item, value in items:
        if item.target is not Target.HEADER or (item.plain is not None and value is None):
            continue
        if item.plain is not None:
            yield item.key, text_of_value(value)
        else:
            yield item.key, json_of_value(value, go_escapes=True)
