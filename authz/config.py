"""AuthConfig as the pipelines read it: validated, compiled, immutable.

Tuples keep the order of declaration, which both lanes evaluate and answer in.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from _fastpath.rule_spec import Credential, Target
from authz.condition import Condition
from authz.selector_match import LabelSelector
from authz.value import Value


@dataclass(frozen=True, slots=True)
class ApiKey:
    """Keys are the `api_key` of the Secrets that `selector` matches."""

    selector: LabelSelector
    all_namespaces: bool


@dataclass(frozen=True, slots=True)
class Anonymous:
    """Always succeeds with {"anonymous": true}."""


@dataclass(frozen=True, slots=True)
class Plain:
    """The identity is a value of the authorization document; null is none."""

    value: Value


@dataclass(frozen=True, slots=True)
class Authentication:
    """defaults, overrides: members that the identity gets once it is known, the first only where it
    has none; an identity that is no object fails with either."""

    name: str
    method: ApiKey | Anonymous | Plain
    credential: Credential
    challenge: str
    priority: int
    when: tuple[Condition, ...]
    metrics: bool
    defaults: Mapping[str, Value] = field(default_factory=dict)
    overrides: Mapping[str, Value] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """The `evaluator_type` of metrics, here and below."""
        return _IDENTITY_KINDS[type(self.method)]


_IDENTITY_KINDS: dict[type[object], str] = {
    ApiKey: "IDENTITY_APIKEY",
    Anonymous: "IDENTITY_NOOP",
    Plain: "IDENTITY_PLAIN",
}


@dataclass(frozen=True, slots=True)
class Authorization:
    """A patternMatching entry."""

    name: str
    patterns: tuple[Condition, ...]
    priority: int
    when: tuple[Condition, ...]
    metrics: bool

    @property
    def kind(self) -> str:
        return "AUTHORIZATION_JSON"


@dataclass(frozen=True, slots=True)
class Denial:
    """A custom denial; 0 and None keep the default of that part."""

    code: int = 0
    message: Value | None = None
    body: Value | None = None
    headers: Mapping[str, Value] | None = None


@dataclass(frozen=True, slots=True)
class SuccessItem:
    """Exactly one of `plain` and `json` is given."""

    name: str
    key: str
    target: Target
    plain: Value | None
    json: Mapping[str, Value] | None
    priority: int
    when: tuple[Condition, ...]
    metrics: bool

    @property
    def kind(self) -> str:
        return "RESPONSE_JSON" if self.plain is None else "RESPONSE_PLAIN"


Evaluator = Authentication | Authorization | SuccessItem


@dataclass(frozen=True, slots=True)
class AuthConfig:
    namespace: str
    name: str
    hosts: tuple[str, ...]
    when: tuple[Condition, ...]
    authentication: tuple[Authentication, ...]
    authorization: tuple[Authorization, ...]
    unauthenticated: Denial
    unauthorized: Denial
    success: tuple[SuccessItem, ...]

    @property
    def evaluators(self) -> tuple["Evaluator", ...]:
        return *self.authentication, *self.authorization, *self.success

    @property
    def id(self) -> str:
        return f"{self.namespace}/{self.name}"
