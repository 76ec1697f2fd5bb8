"""Both lanes of Check side by side: every question is asked of both and must get the same bytes."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest
from envoy.service.auth.v3 import external_auth_pb2
from google.protobuf.json_format import MessageToDict

from _fastpath.cells import Series
from _fastpath.check import CheckDecider
from _fastpath.plan import Plans
from _fastpath.rpc import Metadata, RpcError
from _fastpath.throttle import Throttle
from authz.configuration import Configuration
from authz.service import AuthorizationService
from authz.services import Services

THREADS = 1
NOW = 1_790_000_000 * 10**9


@dataclass
class Clocks:
    """A Context with fixed clocks."""

    metadata: Metadata = ()
    deadline_ns: int | None = None
    mono_ns: int = 1_000
    wall_ns: int = NOW
    generation: int = 0
    peer: str = "test"

    def set_trailing_metadata(self, metadata: Metadata) -> None:
        self.metadata = metadata


@dataclass(frozen=True)
class Answer:
    """What a caller sees. Headers keep their order; names are as sent."""

    code: int
    http_status: int
    headers: list[tuple[str, str]]
    body: str
    metadata: dict[str, Any]
    native: bool
    raw: bytes = field(repr=False)

    @property
    def reason(self) -> str | None:
        return dict(self.headers).get("X-Ext-Auth-Reason")


class Lanes:
    def __init__(self, throttle: Throttle | None = None) -> None:
        self.plans = Plans(THREADS)
        self.series = Series(THREADS)
        self.services = Services(throttle=throttle)
        self.identities = self.services.identities
        self.configuration = Configuration(self.services, self.series)
        self.decider = CheckDecider(
            self.plans, self.identities, self.series, self.services.remembered, throttle
        )
        self.service = AuthorizationService(self.decider, self.services, self.series, THREADS)
        self.generation = 0
        self.wall_ns = NOW
        self.may_defer = False

    def secret(self, name: str, namespace: str = "shop", key: str = "", **labels: str) -> None:
        document = {
            "metadata": {"name": name, "labels": {"app": "toys", **labels}},
            "stringData": {"api_key": key or f"{name}-key"},
        }
        self.configuration.put_secret(namespace, name, document)

    def config(
        self,
        name: str = "toys",
        namespace: str = "shop",
        annotations: dict[str, str] | None = None,
        **spec: Any,
    ) -> list[str]:
        """Put an AuthConfig (host toys.com unless given) and publish; gives its faults."""
        document = {
            "metadata": {"annotations": annotations or {}},
            "spec": {"hosts": ["toys.com"], **spec},
        }
        self.may_defer |= _may_defer(spec)
        faults = self.configuration.put_auth_config(namespace, name, document)
        self.publish()
        return [str(fault) for fault in faults]

    def publish(self) -> None:
        snapshot = self.configuration.snapshot()
        self.generation = self.plans.publish(None, snapshot.hosts)
        self.service.publish(self.generation, snapshot, 0)

    def ask(self, request: external_auth_pb2.CheckRequest | bytes) -> Answer:
        data = request if isinstance(request, bytes) else request.SerializeToString()
        full = self._fully(data)
        outcome, fast, status, detail, _ = self.decider.check(data, 1_000, self.wall_ns)
        if outcome == "answer":
            assert (status, detail) == (0, "")
            assert fast == full
        else:
            lanes = [report.lane for report in self.configuration.reports()]
            reason = self.may_defer or any(lane != "fast" for lane in lanes)
            assert reason, "deferred without a reason"
        return parse(full, native=outcome == "answer")

    def ask_full(self, request: external_auth_pb2.CheckRequest) -> Answer:
        """Of the full lane alone."""
        return parse(self._fully(request.SerializeToString()), native=False)

    def _fully(self, data: bytes) -> bytes:
        clocks = Clocks(generation=self.generation, wall_ns=self.wall_ns)
        return asyncio.run(self.service.check(data, clocks))

    def end_of(self, data: bytes) -> tuple[int, str] | None:
        """Status and message of a call that no lane answers; None when `ask` has an answer."""
        _, _, status, detail, _ = self.decider.check(data, 1_000, self.wall_ns)
        if status == 0:
            self.ask(data)
            return None
        with pytest.raises(RpcError) as caught:
            self.ask(data)
        assert (caught.value.status, caught.value.message) == (status, detail)
        return status, detail

    def request(self, path: str, **headers: str) -> bytes:
        return bytes(check_request(path, **headers).SerializeToString())

    def get(self, path: str = "/toys", host: str = "toys.com", **headers: str) -> Answer:
        return self.ask(check_request(path, host, **headers))


def _may_defer(spec: dict[str, Any]) -> bool:
    """Errors of computed identities are worded in the full lane; results must be remembered."""
    identities = spec.get("authentication", {}).values()
    phases = [spec.get("metadata", {}), spec.get("authorization", {})]
    phases += spec.get("response", {}).get("success", {}).values()
    entries = [*identities, *(entry for phase in phases for entry in phase.values())]
    computed = {"plain", "defaults", "overrides"}
    return any("cache" in entry for entry in entries) or any(
        not computed.isdisjoint(entry) for entry in identities
    )


def check_request(
    path: str = "/toys", host: str = "toys.com", method: str = "GET", **headers: str
) -> external_auth_pb2.CheckRequest:
    """As Envoy sends it; underscores in header names stand for dashes."""
    request = external_auth_pb2.CheckRequest()
    http = request.attributes.request.http
    http.id, http.method, http.path, http.host, http.scheme = "1", method, path, host, "http"
    http.protocol = "HTTP/1.1"
    http.headers.update({":authority": host, ":method": method, ":path": path})
    http.headers.update({name.replace("_", "-"): value for name, value in headers.items()})
    return request


def parse(raw: bytes, *, native: bool) -> Answer:
    response = external_auth_pb2.CheckResponse.FromString(raw)
    denied = response.WhichOneof("http_response") == "denied_response"
    part = response.denied_response if denied else response.ok_response
    return Answer(
        code=response.status.code,
        http_status=response.denied_response.status.code if denied else 200,
        headers=[(option.header.key, option.header.value) for option in part.headers],
        body=response.denied_response.body if denied else "",
        metadata=MessageToDict(response.dynamic_metadata),
        native=native,
        raw=raw,
    )
