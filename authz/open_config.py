"""An AuthConfig with its evaluators: what requests are decided by."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from authz.config import (
    AuthConfig,
    Authentication,
    Authorization,
    Callback,
    Entry,
    Metadata,
    SuccessItem,
)
from authz.errors import Fault, InvalidAuthConfig, Unavailable
from authz.evaluator import (
    AuthorizationEvaluator,
    CallbackEvaluator,
    Evaluator,
    IdentityEvaluator,
    MetadataEvaluator,
    ResponseEvaluator,
)
from authz.opening import Opening
from authz.secret import SecretId
from authz.services import Services

E = TypeVar("E", bound=Entry)
V = TypeVar("V", bound=Evaluator)


@dataclass(frozen=True, slots=True)
class Scopes:
    """Where the remembered table keeps results and failures of an entry with `cache`."""

    results: int
    failures: int


@dataclass(frozen=True, slots=True)
class OpenEntry(Generic[E, V]):
    """An entry with `cache` has scopes; `key` is equal for those that can share what they remember,
    also over a reload."""

    entry: E
    evaluator: V
    scopes: Scopes | None = None
    key: bytes = b""


@dataclass(frozen=True, slots=True)
class OpenConfig:
    """secrets: those the evaluators were made of."""

    config: AuthConfig
    authentication: tuple[OpenEntry[Authentication, IdentityEvaluator], ...]
    metadata: tuple[OpenEntry[Metadata, MetadataEvaluator], ...]
    authorization: tuple[OpenEntry[Authorization, AuthorizationEvaluator], ...]
    success: tuple[OpenEntry[SuccessItem, ResponseEvaluator], ...]
    callbacks: tuple[OpenEntry[Callback, CallbackEvaluator], ...]
    secrets: frozenset[SecretId]

    @property
    def entries(self) -> Iterator[OpenEntry[Any, Any]]:
        yield from self.authentication
        yield from self.metadata
        yield from self.authorization
        yield from self.success
        yield from self.callbacks

    def start(self) -> None:
        for item in self.entries:
            item.evaluator.start()

    def close(self) -> None:
        for item in self.entries:
            item.evaluator.close()


class Opener:
    """Makes evaluators; what an entry remembers stays while an equal one is open.

    Used by the task that changes the configuration.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self._scopes: dict[bytes, tuple[Scopes, int]] = {}

    def open(self, config: AuthConfig) -> OpenConfig:
        """Raises InvalidAuthConfig when an entry cannot be made now; then nothing is left open."""
        specs = {entry.name: entry.spec for entry in config.authentication}
        opened: list[OpenEntry[Any, Any]] = []
        faults: list[Fault] = []
        secrets: set[SecretId] = set()
        for phase, entry in _by_phase(config):
            opening = Opening(config.id, config.namespace, entry.name, self._services, specs)
            try:
                evaluator = entry.kind.open(entry.spec, opening)
                opened.append(self._remembering(phase, entry, evaluator, opening))
            except Unavailable as error:
                faults.append(Fault(("spec", *phase, entry.name), str(error)))
            secrets |= opening.used.keys()
        if faults:
            for item in opened:
                self._forget(item)
                item.evaluator.close()
            raise InvalidAuthConfig(tuple(faults), frozenset(secrets))
        return _assembled(config, iter(opened), frozenset(secrets))

    def close(self, opened: OpenConfig) -> None:
        for item in opened.entries:
            self._forget(item)
        opened.close()

    def _remembering(
        self, phase: tuple[str, ...], entry: Entry, evaluator: Evaluator, opening: Opening
    ) -> OpenEntry[Any, Any]:
        if entry.cache is None:
            return OpenEntry(entry, evaluator)
        parts = [opening.config_id, *phase, entry.name, entry.fingerprint.hex()]
        parts += [digest.hex() for _, digest in sorted(opening.used.items())]
        key = json.dumps(parts).encode()
        table = self._services.remembered
        scopes, users = self._scopes.get(key) or (Scopes(table.scope(), table.scope()), 0)
        self._scopes[key] = scopes, users + 1
        return OpenEntry(entry, evaluator, scopes, key)

    def _forget(self, item: OpenEntry[Any, Any]) -> None:
        if item.scopes is None:
            return
        scopes, users = self._scopes[item.key]
        if users > 1:
            self._scopes[item.key] = scopes, users - 1
            return
        del self._scopes[item.key]
        self._services.remembered.drop(scopes.results)
        self._services.remembered.drop(scopes.failures)


def _by_phase(config: AuthConfig) -> Iterator[tuple[tuple[str, ...], Entry]]:
    """Entries in the order of `AuthConfig.entries`, each with its path in the spec."""
    yield from ((("authentication",), entry) for entry in config.authentication)
    yield from ((("metadata",), entry) for entry in config.metadata)
    yield from ((("authorization",), entry) for entry in config.authorization)
    for item in config.success:
        field = "dynamicMetadata" if item.target else "headers"
        yield ("response", "success", field), item
    yield from ((("callbacks",), entry) for entry in config.callbacks)


def _assembled(
    config: AuthConfig,
    opened: Iterator[OpenEntry[Any, Any]],
    secrets: frozenset[SecretId],
) -> OpenConfig:
    """`opened` is in the order of `AuthConfig.entries`."""

    def take(entries: tuple[Entry, ...]) -> tuple[OpenEntry[Any, Any], ...]:
        return tuple(next(opened) for _ in entries)

    return OpenConfig(
        config,
        take(config.authentication),
        take(config.metadata),
        take(config.authorization),
        take(config.success),
        take(config.callbacks),
        secrets,
    )
