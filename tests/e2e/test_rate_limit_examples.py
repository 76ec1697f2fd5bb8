"""What the configurations of deploy/envoy/ratelimit promise, with a real Envoy."""

import http.client
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.e2e import examples
from tests.e2e.processes import (
    Answer,
    Envoy,
    Tollhouse,
    eventually,
    free_ports,
    request,
    upstream,
)

pytestmark = pytest.mark.slow
NAMES = ("stages", "domains", "headers", "cost", "in_flight")


@dataclass(frozen=True)
class Gateway:
    """One Envoy with a listener for each example."""

    ports: dict[str, int]
    http: int

    def ask(self, example: str, path: str, user: str, **options: Any) -> Answer:
        return request(self.ports[example], path, headers={"x-user": user}, **options)

    def codes(self, example: str, path: str, user: str, count: int, **options: Any) -> list[int]:
        return [self.ask(example, path, user, **options).status for _ in range(count)]

    def left(self, namespace: str, limit: str, user: str) -> int | None:
        """What remains of a user's counter, None without one."""
        for counter in request(self.http, f"/counters/{namespace}").json():
            if counter["limit"]["name"] == limit and user in counter["set_variables"].values():
                return int(counter["remaining"])
        return None


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder: Path = tmp_path_factory.mktemp("examples")
    (folder / "limits.yaml").write_text(examples.LIMITS.read_text())
    fronts = dict(zip(NAMES, free_ports(len(NAMES)), strict=True))
    with upstream() as echo, Tollhouse(folder, "-H", "IETF") as tollhouse:

        def configure(_front: int, admin: int) -> dict[str, Any]:
            return examples.together(
                fronts, admin, upstream=echo, tollhouse=tollhouse.addresses.rls
            )

        with Envoy(folder, configure):
            yield Gateway(fronts, tollhouse.addresses.http)


@pytest.fixture
def user() -> str:
    """Somebody nobody has counted yet."""
    return uuid.uuid4().hex


def test_stages_count_apart(gateway: Gateway, user: str) -> None:
    first = gateway.ask("stages", "/", user)
    # The stage that knows the user tells its limits; what an address may do stays unsaid.
    assert first.all("x-ratelimit-limit") == ['2, 2;w=60;name="per user"']
    assert first.all("ratelimit-policy") == ['"per user";q=2;w=60']
    assert gateway.codes("stages", "/", user, 2) == [200, 429]
    # The three requests of the first user count for the address, the refused one too.
    assert gateway.codes("stages", "/", uuid.uuid4().hex, 3) == [200, 200, 429]
    assert gateway.left("stages", "per address", "127.0.0.1") == 0


def test_route_counts_in_its_own_domain(gateway: Gateway, user: str) -> None:
    assert gateway.codes("domains", "/", user, 3) == [200, 200, 429]
    assert gateway.codes("domains", "/partners/x", user, 5) == [200, 200, 200, 200, 429]
    assert gateway.codes("domains", "/about", user, 6) == [200] * 6


def test_every_descriptor_tells_its_limit(gateway: Gateway, user: str) -> None:
    first = gateway.ask("domains", "/search", user)
    limits = first.header("x-ratelimit-limit") or ""
    assert limits.startswith("3, ")
    assert set(limits.split(", ")[1:]) == {
        '100;w=1;name="search"',
        '3;w=3600;name="searches of a user"',
    }
    assert first.header("x-ratelimit-remaining") == "2"
    assert 3590 <= int(first.header("x-ratelimit-reset") or 0) <= 3600
    assert gateway.codes("domains", "/search", user, 3) == [200, 200, 429]


def test_fixed_cost_is_charged(gateway: Gateway, user: str) -> None:
    assert gateway.codes("cost", "/reports", user, 3) == [200, 200, 429]


def test_cost_comes_from_the_request_body(gateway: Gateway, user: str) -> None:
    assert gateway.codes("cost", "/batches", user, 1, body={"items": 7}) == [200]
    assert gateway.codes("cost", "/batches", user, 1, body={"items": 4}) == [429]
    assert gateway.codes("cost", "/batches", user, 2, body={"items": 3}) == [200, 429]


def test_tokens_are_charged_when_the_response_has_ended(gateway: Gateway, user: str) -> None:
    body = {"usage": {"total_tokens": 30}}
    assert gateway.ask("cost", "/completions", user, body=body).status == 200
    eventually(lambda: gateway.left("cost", "tokens", user) == 70, "the charge of 30 tokens")
    assert (
        gateway.ask("cost", "/completions", user, body={}).header("x-ratelimit-remaining") == "70"
    )


def test_last_response_may_exceed_the_budget_but_counts(gateway: Gateway, user: str) -> None:
    body = {"usage": {"total_tokens": 70}}
    assert gateway.ask("cost", "/completions", user, body=body).status == 200
    eventually(lambda: gateway.left("cost", "tokens", user) == 30, "the charge of 70 tokens")
    assert gateway.ask("cost", "/completions", user, body=body).status == 200
    eventually(lambda: gateway.left("cost", "tokens", user) == 0, "the charge of 70 more")
    assert gateway.ask("cost", "/completions", user, body={}).status == 429


def test_client_is_told_in_the_ietf_way(gateway: Gateway, user: str) -> None:
    first = gateway.ask("headers", "/", user)
    assert first.all("ratelimit-policy") == ['"per user";q=2;w=60, "daily";q=1000;w=86400']
    assert first.all("ratelimit") == ['"per user";r=1;t=60, "daily";r=999;t=86400']
    assert first.header("retry-after") is None
    assert gateway.codes("headers", "/", user, 2) == [200, 429]
    refused = gateway.ask("headers", "/", user)
    assert 50 <= int(refused.header("retry-after") or 0) <= 60
    assert (refused.header("ratelimit") or "").startswith('"per user";r=0;t=')


def test_refusal_has_its_own_body_headers_and_metadata(gateway: Gateway, user: str) -> None:
    gateway.codes("headers", "/", user, 2)
    refused = gateway.ask("headers", "/", user)
    assert (refused.status, refused.json()["violated-policies"]) == (429, ["per user"])
    assert refused.all("content-type") == ["application/problem+json"]
    assert refused.header("x-refused-because") == "quota"


def test_grpc_client_is_told_resource_exhausted(gateway: Gateway, user: str) -> None:
    grpc = {"content-type": "application/grpc", "te": "trailers"}
    gateway.codes("headers", "/", user, 2)
    refused = request(
        gateway.ports["headers"], "/", method="POST", headers={"x-user": user, **grpc}
    )
    assert (refused.status, refused.header("grpc-status")) == (200, "8")
    assert "Two requests a minute" in (refused.header("grpc-message") or "")
    assert refused.all("content-type") == ["application/grpc"]


def test_slot_is_held_while_the_request_lasts(gateway: Gateway, user: str) -> None:
    # A request whose body never comes stays in flight until its connection is closed.
    held = [http.client.HTTPConnection("127.0.0.1", gateway.ports["in_flight"]) for _ in range(2)]
    for connection in held:
        connection.putrequest("POST", "/")
        connection.putheader("x-user", user)
        connection.putheader("content-length", "5")
        connection.endheaders()

    def in_flight() -> int | None:
        left = gateway.left("in-flight", "requests in flight", user)
        return None if left is None else 2 - left

    eventually(lambda: in_flight() == 2, "two requests in flight")
    # Refused requests end too, and give nothing back.
    assert gateway.codes("in_flight", "/", user, 3) == [429] * 3
    held[0].close()
    eventually(lambda: in_flight() == 1, "a slot given back")
    assert gateway.codes("in_flight", "/", user, 1) == [200]
    held[1].close()
    eventually(lambda: in_flight() in (0, None), "all slots given back")
