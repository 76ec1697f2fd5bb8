"""The configurations of deploy/proxies, each in its proxy before Tollhouse, on ports of the test's
own."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.processes import ROOT, Answer, Process, Tollhouse, free_ports, request, upstream

FOLDER = ROOT / "deploy" / "proxies"
COMMANDS = {
    "nginx": [
        "nginx",
        "-e",
        "stderr",
        "-p",
        ".",
        "-c",
        "nginx.conf",
        "-g",
        "daemon off; pid nginx.pid;",
    ],
    "haproxy": ["haproxy", "-f", "haproxy.cfg"],
    "caddy": ["caddy", "run", "--adapter", "caddyfile", "--config", "Caddyfile"],
}
MANIFESTS = """
apiVersion: authorino.kuadrant.io/v1beta3
kind: AuthConfig
metadata: {name: toys, namespace: shop}
spec:
  hosts: [toys.example.com]
  authentication:
    friends:
      apiKey: {selector: {matchLabels: {group: friends}}}
      credentials: {authorizationHeader: {prefix: APIKEY}}
    guests:
      priority: 1
      when: [{predicate: request.url_path == '/public'}]
      anonymous: {}
  authorization:
    not-deleting:
      patternMatching: {patterns: [{predicate: request.method != 'DELETE'}]}
    from-here:
      patternMatching: {patterns: [{predicate: source.address == '127.0.0.1'}]}
  response:
    success:
      headers:
        x-auth-user:
          when: [{predicate: has(auth.identity.metadata)}]
          plain: {selector: auth.identity.metadata.name}
---
apiVersion: authorino.kuadrant.io/v1beta3
kind: AuthConfig
metadata: {name: open, namespace: shop}
spec: {hosts: [open.example.com]}
---
apiVersion: v1
kind: Secret
metadata: {name: alice, namespace: shop, labels: {group: friends}}
stringData: {api_key: key-of-alice}
"""
ALICE = {"authorization": "APIKEY key-of-alice"}
pytestmark = pytest.mark.slow


class Proxy(Process):
    def __init__(self, name: str, folder: Path, ports: dict[int, int]) -> None:
        self.front = ports[10000]
        for file in FOLDER.iterdir():
            text = file.read_text()
            for written, port in ports.items():
                text = text.replace(f":{written}", f":{port}")
            (folder / file.name).write_text(text)
        super().__init__(name, COMMANDS[name], {"HOME": str(folder)}, folder=folder)

    def get(self, path: str, **options: object) -> Answer:
        return request(self.front, path, **options)


@pytest.fixture(scope="module", params=list(COMMANDS))
def proxy(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Proxy]:
    name = request.param
    if shutil.which(name) is None:
        pytest.skip(f"{name} is not installed")
    folder = tmp_path_factory.mktemp(name)
    (folder / "manifests").mkdir()
    (folder / "manifests" / "toys.yaml").write_text(MANIFESTS)
    front, check = free_ports(2)
    listen = "--authz-http-listen", f"127.0.0.1:{check}"
    with upstream() as service, Tollhouse(folder, *listen):
        with Proxy(name, folder, {10000: front, 5001: check, 18080: service}) as proxy:
            proxy.ready(lambda: proxy.get("/", headers=ALICE).status == 200)
            yield proxy


def test_key_decides_and_names_its_user(proxy: Proxy) -> None:
    answer = proxy.get("/toys?color=red", headers=ALICE)
    assert answer.status == 200
    sent = answer.json()
    assert sent["path"] == "/toys?color=red"
    assert ["x-auth-user", "alice"] in sent["headers"]
    refused = proxy.get("/toys", headers={"authorization": "APIKEY no"})
    assert refused.status == 401
    assert refused.header("www-authenticate") == 'APIKEY realm="friends"'
    assert "the API Key provided is invalid" in (refused.header("x-ext-auth-reason") or "")


def test_original_method_and_path_are_asked_about(proxy: Proxy) -> None:
    assert proxy.get("/toys", method="DELETE", headers=ALICE).status == 403
    assert proxy.get("/public").status == 200
    assert proxy.get("/toys").status == 401


@pytest.mark.parametrize(
    "headers",
    [
        {"x-forwarded-uri": "/public", "x-forwarded-method": "GET"},
        {"x-forwarded-host": "open.example.com"},
        {"x-original-uri": "/public"},
        {"x-original-url": "http://open.example.com/public"},
        {"x-original-method": "GET", "x-original-url": "http://open.example.com/public"},
        {"x-forwarded-for": "10.0.0.1"},
        {"connection": "close, x-forwarded-uri, x-forwarded-host, x-original-uri"},
        {"x_forwarded_uri": "/public", "x_original_uri": "/public"},
    ],
)
def test_client_cannot_tell_of_another_request(proxy: Proxy, headers: dict[str, str]) -> None:
    assert proxy.get("/toys", headers=headers).status == 401
    assert proxy.get("/toys", headers={**headers, **ALICE}).status == 200


def test_client_cannot_name_itself(proxy: Proxy) -> None:
    answer = proxy.get("/public", headers={"x-auth-user": "root"})
    assert answer.status == 200
    assert ["x-auth-user", "root"] not in answer.json()["headers"]


def test_bodies_reach_the_service_and_not_the_check(proxy: Proxy) -> None:
    big = {"text": "x" * 20_000}
    assert proxy.get("/toys", headers=ALICE, body=big).json() == big
