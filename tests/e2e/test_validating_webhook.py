"""Authorino's guide to Kubernetes webhooks: an AuthConfig that decides which AuthConfigs an API
server takes, asked over HTTPS as an API server asks."""

import json
import ssl
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509 import DNSName, SubjectAlternativeName

from tests.authz.kubernetes_server import KubernetesServer, kubernetes_server
from tests.authz.pki import root
from tests.e2e.async_servers import on_own_loop
from tests.tollhouse.server_process import serving

pytestmark = pytest.mark.slow

SERVICE = "tollhouse.auth.svc"
MANIFEST = Path(__file__).with_name("validating_webhook.yaml")
JWT = {"idp": {"jwt": {"issuerUrl": "http://idp.example.com"}}}
KEY = {"clients": {"apiKey": {"selector": {"matchLabels": {"group": "clients"}}}}}
Ask = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def kubernetes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KubernetesServer]:
    with on_own_loop(kubernetes_server(tmp_path_factory.mktemp("kubernetes"))) as server:
        yield server


@pytest.fixture(scope="module")
def ask(kubernetes: KubernetesServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ask]:
    """The answer of the webhook to an AuthConfig with this spec."""
    folder = tmp_path_factory.mktemp("webhook")
    authority = root()
    files = certificate(folder, authority.issue(SERVICE, extensions=[NAMES]))
    trusted = ssl.create_default_context(cadata=authority.pem)
    trusted.check_hostname = False  # asked by address; the name is what the Host header says
    listen = "--authz-http-listen", "127.0.0.1:0", "--max-http-body-bytes", "1MiB"
    environment = {"KUBECONFIG": str(kubernetes.kubeconfig)}
    with serving(str(MANIFEST), *listen, *files, environment=environment) as it:
        address = it.told(r"HTTP authorization on (\S+)")

        def post(namespace: str = "myapp", **spec: Any) -> dict[str, Any]:
            request = urllib.request.Request(
                f"https://{address}/check?timeout=10s",
                json.dumps(review(namespace, spec)).encode(),
                {"Host": f"{SERVICE}:5001", "Content-Type": "application/json"},
            )
            with urllib.request.urlopen(request, timeout=20, context=trusted) as answer:
                assert answer.status == 200
                told = json.load(answer)
            assert (told["kind"], told["response"]["uid"]) == ("AdmissionReview", "u-1")
            response: dict[str, Any] = told["response"]
            return response

        yield post


NAMES = SubjectAlternativeName([DNSName(SERVICE)])


def certificate(folder: Path, issued: Any) -> tuple[str, ...]:
    (folder / "tls.crt").write_text(issued.pem)
    key = issued.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "tls.key").write_bytes(key)
    crt, key_file = str(folder / "tls.crt"), str(folder / "tls.key")
    return "--authz-http-certificate-file", crt, "--authz-http-key-file", key_file


def review(namespace: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "u-1",
            "operation": "CREATE",
            "userInfo": {"username": "ann", "groups": ["system:authenticated"]},
            "object": {
                "apiVersion": "authorino.kuadrant.io/v1beta3",
                "kind": "AuthConfig",
                "metadata": {"name": "myapp-protection", "namespace": namespace},
                "spec": {"hosts": ["myapp.io"], **spec},
            },
        },
    }


def denied(response: dict[str, Any]) -> str:
    assert (response["allowed"], response["status"]["code"]) == (False, 403)
    return str(response["status"]["message"])


def test_tokens_are_allowed(ask: Ask) -> None:
    assert ask(authentication=JWT) == {"uid": "u-1", "allowed": True}


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"authentication": {}},
        {"authentication": {"anyone": {"anonymous": {}}}},
        {"authentication": {**JWT, "k8s": {"kubernetesTokenReview": {"audiences": ["myapp"]}}}},
        {"authentication": {"envoy": {"plain": {"selector": "context"}}}},
        {
            "authentication": JWT,
            "authorization": {"rbac": {"kubernetesSubjectAccessReview": {"user": {}}}},
        },
        {
            "authentication": JWT,
            "response": {"success": {"headers": {"w": {"wristband": {"issuer": "i"}}}}},
        },
    ],
)
def test_forbidden_features_are_denied(ask: Ask, spec: dict[str, Any]) -> None:
    assert denied(ask(**spec)) == "Unauthorized"


def test_keys_need_a_role(ask: Ask, kubernetes: KubernetesServer) -> None:
    assert denied(ask(authentication=KEY)) == "not authorized: unknown reason"
    kubernetes.allowed.add(("ann", "any"))
    assert ask(authentication=KEY)["allowed"] is True


@pytest.mark.parametrize(("seconds", "allowed"), [(60, False), (300, True)])
def test_metadata_is_cached_for_five_minutes(ask: Ask, seconds: int, allowed: bool) -> None:
    metadata = {
        "m": {
            "http": {"url": "http://metadata.example.com"},
            "cache": {"key": {"selector": "request.path"}, "ttl": seconds},
        }
    }
    response = ask(authentication=JWT, metadata=metadata)
    assert response["allowed"] is allowed
    if not allowed:
        assert denied(response) == "Unauthorized"


def test_own_namespace_is_left_alone(ask: Ask) -> None:
    assert ask("auth")["allowed"] is True
