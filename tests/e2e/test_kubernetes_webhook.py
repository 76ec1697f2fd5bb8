"""A real kube-apiserver that asks, over HTTPS, whether it may take an object."""

import base64
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509 import IPAddress, SubjectAlternativeName

from tests.authz.kube_apiserver import ETCD, PROGRAM, KubeApiserver, kube_apiserver
from tests.authz.pki import root
from tests.e2e.processes import eventually
from tests.tollhouse.server_process import serving

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not PROGRAM.exists(), reason="scripts/kube-apiserver was not run"),
    pytest.mark.skipif(ETCD is None, reason="etcd is not installed"),
]

MANIFEST = """
apiVersion: authorino.kuadrant.io/v1beta3
kind: AuthConfig
metadata: {name: teams, namespace: auth}
spec:
  hosts: [127.0.0.1]
  authentication:
    user: {plain: {selector: context.request.http.body.@fromstr|request.userInfo}}
  authorization:
    team:
      patternMatching:
        patterns:
        - {selector: auth.identity.username, operator: eq, value: admin}
        - selector: context.request.http.body.@fromstr|request.object.metadata.labels.team
          operator: neq
          value: ""
  response:
    unauthorized: {message: {value: every ConfigMap needs a team}}
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KubeApiserver]:
    """It asks Tollhouse about ConfigMaps."""
    folder = tmp_path_factory.mktemp("webhook")
    (folder / "teams.yaml").write_text(MANIFEST)
    authority = root()
    name = SubjectAlternativeName([IPAddress(ip_address("127.0.0.1"))])
    issued = authority.issue("tollhouse", extensions=[name])
    (folder / "tls.crt").write_text(issued.pem)
    key = issued.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "tls.key").write_bytes(key)
    with (
        serving(
            *(str(folder / "teams.yaml"), "--authz-http-listen", "127.0.0.1:0"),
            *("--authz-http-certificate-file", str(folder / "tls.crt")),
            *("--authz-http-key-file", str(folder / "tls.key")),
        ) as tollhouse,
        kube_apiserver(tmp_path_factory.mktemp("kube")) as server,
    ):
        address = tollhouse.told(r"HTTP authorization on (\S+)")
        server.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
        server.create(webhook(address, authority.pem))
        eventually(lambda: "code" in put(server, "early"), "the webhook being asked")
        yield server


def webhook(address: str, authority: str) -> dict[str, Any]:
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": "teams"},
        "webhooks": [
            {
                "name": "teams.tollhouse.example.com",
                "clientConfig": {
                    "url": f"https://{address}/check",
                    "caBundle": base64.b64encode(authority.encode()).decode(),
                },
                "rules": [
                    {
                        "apiGroups": [""],
                        "apiVersions": ["v1"],
                        "resources": ["configmaps"],
                        "operations": ["CREATE", "UPDATE"],
                    }
                ],
                "sideEffects": "None",
                "admissionReviewVersions": ["v1"],
            }
        ],
    }


def put(server: KubeApiserver, name: str, **labels: str) -> Any:
    """The API server's answer to a dry run."""
    document = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "labels": labels},
    }
    return server.request("POST", "/api/v1/namespaces/shop/configmaps?dryRun=All", document)


def test_object_is_taken(server: KubeApiserver) -> None:
    assert put(server, "settings", team="toys")["metadata"]["name"] == "settings"


def test_object_is_refused_with_the_reason(server: KubeApiserver) -> None:
    refused = put(server, "settings")
    assert refused["code"] == 403
    assert refused["message"] == (
        'admission webhook "teams.tollhouse.example.com" denied the request:'
        " every ConfigMap needs a team"
    )
