"""Envoy's external authorization filter against `tollhouse serve`, alone and before rate limits."""

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.bootstrap import (
    FILTERS,
    authz_metadata,
    bootstrap,
    cluster,
    descriptor,
    ext_authz,
    ratelimit,
    route,
)
from tests.e2e.processes import Envoy, Tollhouse, eventually, upstream

MANIFESTS = """
apiVersion: authorino.kuadrant.io/v1beta3
kind: AuthConfig
metadata: {name: toys, namespace: shop}
spec:
  hosts: [toys.example.com, "*.toys.example.com"]
  authentication:
    friends:
      apiKey: {selector: {matchLabels: {group: friends}}}
      credentials: {authorizationHeader: {prefix: APIKEY}}
  authorization:
    admins:
      when: [{selector: request.path, operator: matches, value: ^/admin}]
      patternMatching:
        patterns: [{selector: auth.identity.metadata.labels.role, operator: eq, value: admin}]
    not-deleting:
      patternMatching: {patterns: [{predicate: request.method != 'DELETE'}]}
  response:
    success:
      headers:
        x-auth-user: {plain: {selector: auth.identity.metadata.name}}
        x-auth-data:
          json: {properties: {name: {selector: auth.identity.metadata.name}, level: {value: 3}}}
      dynamicMetadata:
        identity: {json: {properties: {user: {selector: auth.identity.metadata.name}}}}
---
apiVersion: authorino.kuadrant.io/v1beta3
kind: AuthConfig
metadata: {name: open, namespace: shop}
spec:
  hosts: [open.example.com]
  authentication: {anybody: {anonymous: {}}}
  authorization:
    only-reading:
      patternMatching: {patterns: [{selector: request.method, operator: eq, value: GET}]}
  response:
    unauthorized:
      code: 302
      message: {value: go away}
      headers: {location: {value: https://example.com/login}}
---
apiVersion: v1
kind: Secret
metadata: {name: alice, namespace: shop, labels: {group: friends, role: user}}
stringData: {api_key: key-of-alice}
---
apiVersion: v1
kind: Secret
metadata: {name: root, namespace: shop, labels: {group: friends, role: admin}}
stringData: {api_key: key-of-root}
"""
LATE_SECRET = """
apiVersion: v1
kind: Secret
metadata: {name: %s, namespace: shop, labels: {group: friends, role: user}}
stringData: {api_key: %s}
"""
LIMITS = """
- namespace: shop
  name: per identity
  max_value: 2
  seconds: 60
  conditions: []
  variables: ["descriptors[0]['auth.identity.user']"]
"""
ALICE = {"authorization": "APIKEY key-of-alice"}
ROOT = {"authorization": "APIKEY key-of-root"}


def per_route(**settings: Any) -> dict[str, Any]:
    return {"ext_authz": {"@type": f"{FILTERS}.ext_authz.v3.ExtAuthzPerRoute", **settings}}


ROUTES = [
    route("/unguarded", per_filter=per_route(disabled=True)),
    route(
        "/as-open",
        per_filter=per_route(check_settings={"context_extensions": {"host": "open.example.com"}}),
    ),
    route(
        "/limited",
        rate_limits=[descriptor(authz_metadata("auth.identity.user", "identity", "user"))],
    ),
    route("/"),
]


@pytest.fixture(scope="module")
def tollhouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tollhouse]:
    folder: Path = tmp_path_factory.mktemp("authz")
    (folder / "limits.yaml").write_text(LIMITS)
    (folder / "manifests").mkdir()
    (folder / "manifests" / "shop.yaml").write_text(MANIFESTS)
    with Tollhouse(folder) as running:
        yield running


@pytest.fixture(scope="module")
def envoy(tmp_path_factory: pytest.TempPathFactory, tollhouse: Tollhouse) -> Iterator[Envoy]:
    with upstream() as echo:

        def configure(front: int, admin: int) -> dict[str, Any]:
            return bootstrap(
                front,
                admin,
                filters=[ext_authz(), ratelimit("shop")],
                routes=ROUTES,
                clusters=[
                    cluster("upstream", [echo], grpc=False),
                    cluster("rls", [tollhouse.addresses.rls], grpc=True),
                    cluster("authz", [tollhouse.addresses.authz], grpc=True),
                ],
            )

        with Envoy(tmp_path_factory.mktemp("envoy"), configure) as running:
            yield running


def test_no_key_is_401_with_challenge(envoy: Envoy) -> None:
    answer = envoy.get("/")
    assert answer.status == 401
    assert answer.header("www-authenticate") == 'APIKEY realm="friends"'
    assert answer.header("x-ext-auth-reason") == "credential not found"


def test_unknown_key_is_401(envoy: Envoy) -> None:
    answer = envoy.get("/", headers={"authorization": "APIKEY guess"})
    assert answer.status == 401
    assert answer.header("x-ext-auth-reason") == "the API Key provided is invalid"


def test_known_key_reaches_upstream_with_headers(envoy: Envoy) -> None:
    answer = envoy.get("/", headers={**ALICE, "x-auth-user": "forged"})
    assert answer.status == 200
    seen = [tuple(pair) for pair in answer.json()["headers"]]
    assert [value for name, value in seen if name == "x-auth-user"] == ["alice"]
    assert ("x-auth-data", '{"level":3,"name":"alice"}') in seen


def test_pattern_refuses_with_403(envoy: Envoy) -> None:
    assert envoy.get("/admin", headers=ALICE).status == 403
    assert envoy.get("/admin", headers=ROOT).status == 200


def test_predicate_refuses_with_403(envoy: Envoy) -> None:
    answer = envoy.get("/", headers=ROOT, method="DELETE")
    assert answer.status == 403
    assert answer.header("x-ext-auth-reason") == "Unauthorized"


def test_unknown_host_is_404(envoy: Envoy) -> None:
    answer = envoy.get("/", host="elsewhere.example.com", headers=ALICE)
    assert answer.status == 404
    assert answer.header("x-ext-auth-reason") == "Service not found"


@pytest.mark.parametrize("host", ["toys.example.com:10000", "eu.toys.example.com"])
def test_host_with_port_or_wildcard_finds_config(envoy: Envoy, host: str) -> None:
    assert envoy.get("/", host=host, headers=ALICE).status == 200


def test_custom_denial_redirects(envoy: Envoy) -> None:
    answer = envoy.get("/", host="open.example.com", method="POST")
    assert answer.status == 302
    assert answer.header("location") == "https://example.com/login"
    assert answer.header("x-ext-auth-reason") == "go away"


def test_host_from_context_extensions_wins(envoy: Envoy) -> None:
    assert envoy.get("/as-open").status == 200


def test_disabled_route_makes_no_call(envoy: Envoy) -> None:
    assert envoy.get("/unguarded").status == 200


def test_identity_becomes_descriptor(envoy: Envoy) -> None:
    assert [envoy.get("/limited", headers=ALICE).status for _ in range(3)] == [200, 200, 429]
    assert envoy.get("/limited", headers=ROOT).status == 200


def test_denied_request_is_not_counted(envoy: Envoy, tollhouse: Tollhouse) -> None:
    name = uuid.uuid4().hex
    file = tollhouse.manifests / f"{name}.yaml"
    file.write_text(LATE_SECRET % (name, name))
    late = {"authorization": f"APIKEY {name}"}
    eventually(lambda: envoy.get("/", headers=late).status == 200, "the new key")
    assert envoy.get("/limited", headers=late, method="DELETE").status == 403
    assert [envoy.get("/limited", headers=late).status for _ in range(3)] == [200, 200, 429]
    file.unlink()
    eventually(lambda: envoy.get("/", headers=late).status == 401, "the key's revocation")
