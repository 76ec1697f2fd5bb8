"""Authorization `opa`: granted when the policy's `allow` is true.

The input is the authorization document. The policy is written in the entry, or fetched once (or
every `ttl` seconds) in the background; the last one that the engine takes stays in use.
"""

from dataclasses import dataclass

from _fastpath.rule import UNAUTHORIZED
from authz.entry_reading import Reading
from authz.errors import Denied, EvaluatorFailed, Unavailable
from authz.evaluator import AuthorizationEvaluator, Turn
from authz.evaluators.http_endpoint import (
    HttpEndpoint,
    HttpEndpointSpec,
    open_http_endpoint,
    read_http_endpoint,
)
from authz.fields import Fields
from authz.json_text import read_json
from authz.jwt.refreshed import Fetched, FetchFailed, Refreshed
from authz.opa.engine import Engine, OpenPolicy
from authz.opa.errors import RegoError
from authz.opening import Opening
from authz.outgoing.message import OutgoingResponse
from authz.workers import Workers

VERSIONS = ("v0", "v1")
NO_POLICY = "the policy is not available"


@dataclass(frozen=True, slots=True)
class ExternalPolicy:
    """ttl_s: seconds between fetches; 0: it is fetched once."""

    endpoint: HttpEndpointSpec
    ttl_s: int


@dataclass(frozen=True, slots=True)
class Opa:
    """policy: its text, or where it is. all_values: the result holds every rule's value, not
    `allow` alone."""

    policy: str | ExternalPolicy
    all_values: bool
    version: str


def read_opa(fields: Fields, reading: Reading) -> Opa:
    fields.known("rego", "externalPolicy", "allValues", "version")
    version = fields.text("version") or "v0"
    if version not in VERSIONS:
        fields.fault(f"expected one of {', '.join(VERSIONS)}", "version")
    policy: str | ExternalPolicy = fields.text("rego")
    if fields.one_of("rego", "externalPolicy") == "externalPolicy":
        external = fields.group("externalPolicy")
        ttl_s = external.integer("ttl")
        if ttl_s < 0:
            external.fault("expected 0 or more seconds", "ttl")
        policy = ExternalPolicy(read_http_endpoint(external, reading, "ttl"), ttl_s)
    return Opa(policy, fields.boolean("allValues"), version)


class OpaAuthorization(AuthorizationEvaluator):
    """A policy of the entry itself."""

    def __init__(self, policy: OpenPolicy, all_values: bool) -> None:
        self._policy = policy
        self._all_values = all_values

    async def authorize(self, turn: Turn) -> object:
        return await decide(self._policy, turn, self._all_values)

    def close(self) -> None:
        self._policy.close()


class ExternalOpaAuthorization(AuthorizationEvaluator):
    """A policy that is fetched."""

    def __init__(
        self, spec: Opa, source: ExternalPolicy, endpoint: HttpEndpoint, opening: Opening
    ) -> None:
        self._spec = spec
        self._ttl_s = source.ttl_s
        self._endpoint = endpoint
        self._engine: Engine = opening.services.rego
        self._workers: Workers = opening.services.workers
        what = f"policy of {opening.config_id}/{opening.entry}"
        self._policy: Refreshed[OpenPolicy] = Refreshed(self._fetch, what)

    def start(self) -> None:
        self._policy.start()

    async def authorize(self, turn: Turn) -> object:
        policy = await self._policy.get(turn.deadline)
        if policy is None:
            raise Denied(NO_POLICY)
        return await decide(policy, turn, self._spec.all_values)

    def close(self) -> None:
        self._policy.close()
        if self._policy.current is not None:
            self._policy.current.close()

    async def _fetch(self) -> Fetched[OpenPolicy]:
        try:
            response = await self._endpoint.send(self._endpoint.prepared({}))
            rego = policy_text(response)
            policy = await self._workers.run(self._engine.open, rego, self._spec.version)
        except (EvaluatorFailed, RegoError, ValueError) as error:
            raise FetchFailed(str(error)) from None
        if self._policy.current is not None:
            self._policy.current.close()
        return Fetched(policy, self._ttl_s or None)


def policy_text(response: OutgoingResponse) -> str:
    """The body, or `result.raw` of OPA's policy API. Raises ValueError."""
    if response.status != 200:
        raise ValueError(f"the answer has status {response.status}")
    if "json" not in response.headers.get("content-type", ""):
        return response.body.decode()
    document = read_json(response.body)
    result = document.get("result") if isinstance(document, dict) else None
    raw = result.get("raw") if isinstance(result, dict) else None
    if not isinstance(raw, str):
        raise ValueError("the answer has no text in result.raw")
    return raw


async def decide(policy: OpenPolicy, turn: Turn, all_values: bool) -> object:
    """The result of a policy that grants. Raises Denied."""
    try:
        values = await policy.evaluate(turn.document, turn.wall_ns)
    except RegoError as error:
        raise Denied(str(error)) from error
    if values.get("allow") is not True:
        raise Denied(UNAUTHORIZED)
    if not all_values:
        return {"allow": True}
    return {name: values.get(name) for name in policy.names}


def open_opa(spec: Opa, opening: Opening) -> OpaAuthorization | ExternalOpaAuthorization:
    if isinstance(spec.policy, ExternalPolicy):
        endpoint = open_http_endpoint(spec.policy.endpoint, opening)
        return ExternalOpaAuthorization(spec, spec.policy, endpoint, opening)
    try:
        policy = opening.services.rego.open(spec.policy, spec.version)
    except RegoError as error:
        raise Unavailable(f"the policy is refused: {error}") from error
    return OpaAuthorization(policy, spec.all_values)
