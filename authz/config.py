"""AuthConfig as the pipelines read it: validated, compiled, immutable.

Tuples keep the order of declaration, which both lanes evaluate and answer in.
"""

from collections.abc import Mapping
from dataclasses import dataclass

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
class Authentication:
    name: str
    method: ApiKey | Anonymous
    credential: Credential
    challenge: str
    priority: int
    when: tuple[Condition, ...]
    metrics: bool

    @property
    def kind(self) -> str:
        """The `evaluator_type` of metrics, here and below."""
        return "IDENTITY_APIKEY" if isinstance(self.method, ApiKey) else "IDENTITY_NOOP"


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
