"""Authorino's guide to edge authentication behind a real Envoy: an API key at the edge becomes a
wristband, which services inside verify with the keys that this Tollhouse publishes."""

from collections.abc import Iterator

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.e2e.bootstrap import authorized
from tests.e2e.processes import Answer, Envoy, Tollhouse, eventually, free_ports, upstream

pytestmark = pytest.mark.slow
MANIFESTS = """
apiVersion: authorino.kuadrant.io/v1beta3
kind: AuthConfig
metadata: {name: edge, namespace: shop}
spec:
  hosts: [edge.example.com]
  authentication:
    api-clients:
      apiKey: {selector: {matchLabels: {group: clients}}}
      credentials: {authorizationHeader: {prefix: APIKEY}}
      overrides: {username: {selector: auth.identity.metadata.annotations.username}}
  response:
    success:
      headers:
        x-wristband-token: &wristband
          wristband:
            issuer: %(issuer)s
            customClaims: {username: {selector: auth.identity.username}}
            tokenDuration: 60
            signingKeyRefs: [{name: signer, algorithm: ES256}]
---
apiVersion: authorino.kuadrant.io/v1beta3
kind: AuthConfig
metadata: {name: inside, namespace: shop}
spec:
  hosts: [inside.example.com]
  authentication:
    edge-authenticated: {jwt: {issuerUrl: "%(issuer)s"}}
  authorization:
    known:
      patternMatching: {patterns: [{selector: auth.identity.username, operator: eq, value: alice}]}
  response:
    success:
      headers:
        x-username: {plain: {selector: auth.identity.username}}
        x-again:
          wristband:
            issuer: %(issuer)s
            signingKeyRefs: [{name: signer, algorithm: ES256}]
---
apiVersion: v1
kind: Secret
metadata: {name: alice, namespace: shop, labels: {group: clients}, annotations: {username: alice}}
stringData: {api_key: key-of-alice}
---
apiVersion: v1
kind: Secret
metadata: {name: bob, namespace: shop, labels: {group: clients}, annotations: {username: bob}}
stringData: {api_key: key-of-bob}
---
apiVersion: v1
kind: Secret
metadata: {name: signer, namespace: shop}
stringData: {key.pem: "%(key)s"}
"""


@pytest.fixture(scope="module")
def envoy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Envoy]:
    folder = tmp_path_factory.mktemp("edge")
    (oidc,) = free_ports(1)
    key = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    issuer = f"http://127.0.0.1:{oidc}/shop/edge/x-wristband-token"
    (folder / "manifests").mkdir()
    text = MANIFESTS % {"issuer": issuer, "key": key.decode().replace("\n", "\\n")}
    (folder / "manifests" / "edge.yaml").write_text(text)
    with Tollhouse(folder, "--oidc-listen", f"127.0.0.1:{oidc}") as tollhouse, upstream() as echo:
        with Envoy(folder, authorized(echo, tollhouse.addresses.authz)) as running:
            yield running


def headers_seen(answer: Answer) -> dict[str, str]:
    assert answer.status == 200, answer.header("x-ext-auth-reason")
    return dict(answer.json()["headers"])


def wristband(envoy: Envoy, name: str) -> str:
    key = {"authorization": f"APIKEY key-of-{name}"}
    return headers_seen(envoy.get("/", host="edge.example.com", headers=key))["x-wristband-token"]


def inside(envoy: Envoy, token: str) -> Answer:
    bearer = {"authorization": f"Bearer {token}"}
    return envoy.get("/", host="inside.example.com", headers=bearer)


def test_key_at_the_edge_becomes_a_token(envoy: Envoy) -> None:
    claims = jwt.decode(wristband(envoy, "alice"), options={"verify_signature": False})
    assert claims["username"] == "alice"
    assert claims["exp"] - claims["iat"] == 60


def test_token_is_taken_inside(envoy: Envoy) -> None:
    token = wristband(envoy, "alice")
    # Discovery is asked of the process itself, whose listener opens after the AuthConfigs.
    eventually(lambda: inside(envoy, token).status == 200, "the wristband being verified")
    seen = headers_seen(inside(envoy, token))
    assert seen["x-username"] == "alice"
    assert not seen.get("x-again"), "who has a token of this issuer needs no other"
    assert inside(envoy, wristband(envoy, "bob")).status == 403


def test_other_credentials_are_refused_inside(envoy: Envoy) -> None:
    key = {"authorization": "APIKEY key-of-alice"}
    refused = envoy.get("/", host="inside.example.com", headers=key)
    assert refused.status == 401
    assert refused.header("www-authenticate") == 'Bearer realm="edge-authenticated"'
    head, body, signature = wristband(envoy, "alice").split(".")
    assert inside(envoy, f"{head}.{body}.{signature[::-1]}").status == 401
    assert inside(envoy, jwt.encode({"username": "alice"}, None, "none")).status == 401
