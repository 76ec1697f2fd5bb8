"""AuthConfig as the pipelines read it: validated, compiled, immutable.

Tuples keep the order of declaration, which both lanes evaluate and answer in.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from _fastpath.rule_spec import Credential, Target
from authz.condition import Condition
from authz.kind import Kind
from authz.value import Value


@dataclass(frozen=True, slots=True)
class Cache:
    """Results are remembered by `key` for `ttl_s` seconds, failures for `failure_ttl_s`."""

    key: Value
    ttl_s: int
    failure_ttl_s: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What all entries have. spec: as `kind.read` gave it; deadline_s: for the evaluator alone;
    fingerprint: with `cache`, of all that the AuthConfig says: equal ones share what they
    remember."""

    name: str
    kind: Kind
    spec: object
    priority: int = 0
    when: tuple[Condition, ...] = ()
    metrics: bool = False
    cache: Cache | None = None
    deadline_s: float | None = None
    fingerprint: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Authentication(Entry):
    """defaults, overrides: members that the identity gets once it is known, the first only where it
    has none; an identity that is no object fails with either."""

    credential: Credential
    challenge: str
    defaults: Mapping[str, Value] = field(default_factory=dict)
    overrides: Mapping[str, Value] = field(default_factory=dict)

    @property
    def takes_credential(self) -> bool:
        """Whether it tries what the request has at `credential`."""
        return self.kind.challenge is None or self.kind.challenge(self.spec) is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata(Entry):
    """required: a request whose entry has no result is denied."""

    required: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorization(Entry):
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class SuccessItem(Entry):
    key: str
    target: Target


@dataclass(frozen=True, slots=True, kw_only=True)
class Callback(Entry):
    pass


@dataclass(frozen=True, slots=True)
class Denial:
    """A custom denial; 0 and None keep the default of that part."""

    code: int = 0
    message: Value | None = None
    body: Value | None = None
    headers: Mapping[str, Value] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthConfig:
    """skip_failed_conditions: a `when` that cannot be evaluated counts as false, as in Authorino,
    instead of denying the request."""

    namespace: str
    name: str
    hosts: tuple[str, ...]
    when: tuple[Condition, ...]
    authentication: tuple[Authentication, ...]
    metadata: tuple[Metadata, ...]
    authorization: tuple[Authorization, ...]
    unauthenticated: Denial
    unauthorized: Denial
    success: tuple[SuccessItem, ...]
    callbacks: tuple[Callback, ...]
    skip_failed_conditions: bool = False

    @property
    def entries(self) -> tuple[Entry, ...]:
        """All of them, in order of phase and declaration."""
        return (
            *self.authentication,
            *self.metadata,
            *self.authorization,
            *self.success,
            *self.callbacks,
        )

    def with_metrics(self) -> "AuthConfig":
        """The same with `metrics` for every entry."""
        return replace(
            self,
            authentication=tuple(replace(entry, metrics=True) for entry in self.authentication),
            metadata=tuple(replace(entry, metrics=True) for entry in self.metadata),
            authorization=tuple(replace(entry, metrics=True) for entry in self.authorization),
            success=tuple(replace(entry, metrics=True) for entry in self.success),
            callbacks=tuple(replace(entry, metrics=True) for entry in self.callbacks),
        )

    @property
    def id(self) -> str:
        return f"{self.namespace}/{self.name}"
