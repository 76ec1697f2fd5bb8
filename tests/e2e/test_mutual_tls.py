"""Client certificates that a real Envoy asks for, and Tollhouse judges: Authorino's guide to mutual
TLS."""

import http.client
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.authz import pki
from tests.e2e.bootstrap import TYPE, bootstrap, cluster, ext_authz, route
from tests.e2e.processes import Answer, Envoy, Tollhouse, eventually, upstream

pytestmark = pytest.mark.slow
MANIFESTS = """
apiVersion: authorino.kuadrant.io/v1beta3
kind: AuthConfig
metadata: {name: mutual-tls, namespace: guides}
spec:
  hosts: [mtls.guides.test]
  authentication:
    mtls: {x509: {selector: {matchLabels: {app: talker}}}}
  authorization:
    acme:
      patternMatching:
        patterns: [{selector: auth.identity.Organization, operator: incl, value: ACME Inc.}]
  response:
    success:
      headers: {x-client: {plain: {selector: auth.identity.CommonName}}}
"""
AUTHORITY = """
apiVersion: v1
kind: Secret
metadata: {name: authority, namespace: guides, labels: {app: talker}}
stringData:
  tls.crt: |
"""


@dataclass(frozen=True)
class World:
    envoy: Envoy
    tollhouse: Tollhouse
    folder: Path
    authority: pki.Issued

    def get(self, client: pki.Issued | None) -> Answer:
        """One request with this client's certificate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        if client is not None:
            context.load_cert_chain(*_written(self.folder, "client", client))
        connection = http.client.HTTPSConnection(
            "127.0.0.1", self.envoy.front, timeout=10, context=context
        )
        try:
            connection.request("GET", "/", headers={"host": "mtls.guides.test"})
            response = connection.getresponse()
            lines = [(name.lower(), value) for name, value in response.getheaders()]
            return Answer(response.status, lines, response.read())
        finally:
            connection.close()


def _written(folder: Path, name: str, issued: pki.Issued) -> tuple[Path, Path]:
    certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
    certificate.write_text(issued.pem)
    key.write_bytes(issued.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return certificate, key


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("mtls")
    manifests = folder / "manifests"
    manifests.mkdir()
    authority = pki.root("talker-ca")
    (manifests / "mtls.yaml").write_text(MANIFESTS)
    lines = "".join(f"    {line}\n" for line in authority.pem.splitlines())
    (manifests / "authority.yaml").write_text(AUTHORITY + lines)
    with Tollhouse(folder) as tollhouse, upstream() as echo:

        def configure(front: int, admin: int) -> dict[str, Any]:
            return _bootstrap(front, admin, echo, tollhouse, folder, authority)

        with Envoy(folder, configure) as envoy:
            yield World(envoy, tollhouse, folder, authority)


def _bootstrap(
    front: int, admin: int, echo: int, tollhouse: Tollhouse, folder: Path, authority: pki.Issued
) -> dict[str, Any]:
    """Envoy wants a certificate, takes any, and hands it on."""
    authz = ext_authz()
    authz["typed_config"]["include_peer_certificate"] = True
    built = bootstrap(
        front,
        admin,
        filters=[authz],
        routes=[route("/")],
        clusters=[
            cluster("upstream", [echo], grpc=False),
            cluster("authz", [tollhouse.addresses.authz], grpc=True),
        ],
    )
    server = authority.issue("mtls.guides.test", extensions=[pki.SERVER])
    certificate, key = ({"filename": str(path)} for path in _written(folder, "server", server))
    (chain,) = built["static_resources"]["listeners"][0]["filter_chains"]
    chain["transport_socket"] = {
        "name": "envoy.transport_sockets.tls",
        "typed_config": {
            "@type": f"{TYPE}.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
            "common_tls_context": {
                "tls_certificates": [{"certificate_chain": certificate, "private_key": key}],
                "validation_context": {
                    "trusted_ca": certificate,
                    "trust_chain_verification": "ACCEPT_UNTRUSTED",
                },
            },
        },
    }
    return built


def test_a_client_of_the_organization_passes(world: World) -> None:
    client = world.authority.issue("john", "ACME Inc.", extensions=[pki.CLIENT])
    answer = world.get(client)
    assert answer.status == 200
    assert ["x-client", "john"] in answer.json()["headers"]


def test_another_organization_is_refused(world: World) -> None:
    client = world.authority.issue("aisha", extensions=[pki.CLIENT])
    answer = world.get(client)
    assert (answer.status, answer.header("x-ext-auth-reason")) == (403, "Unauthorized")


def test_another_authority_is_unknown(world: World) -> None:
    stranger = pki.root("other-ca").issue("niko", "ACME Inc.", extensions=[pki.CLIENT])
    answer = world.get(stranger)
    assert answer.status == 401
    assert "unknown authority" in (answer.header("x-ext-auth-reason") or "")


def test_without_a_certificate(world: World) -> None:
    answer = world.get(None)
    assert answer.status == 401
    assert answer.header("x-ext-auth-reason") == "client certificate is missing"
    assert answer.header("www-authenticate") == 'Certificate realm="mtls"'


def test_the_authority_is_taken_away(world: World) -> None:
    client = world.authority.issue("john", "ACME Inc.", extensions=[pki.CLIENT])
    file = world.tollhouse.manifests / "authority.yaml"
    text = file.read_text()
    file.unlink()
    eventually(lambda: world.get(client).status == 401, "the end of trust")
    file.write_text(text)
    eventually(lambda: world.get(client).status == 200, "trust again")
