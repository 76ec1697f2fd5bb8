"""Calls of a real process to other servers: what flags allow, and what a stop leaves to be sent."""

import json
import signal
import urllib.request
from pathlib import Path

import grpc
import pytest
from envoy.service.auth.v3 import external_auth_pb2

from authz.service import CHECK
from tests.authz.http_backend import Backend, http_backend
from tests.authz.lanes import Answer, check_request, parse
from tests.e2e.async_servers import on_own_loop
from tests.e2e.processes import eventually
from tests.tollhouse.server_process import serving

pytestmark = pytest.mark.slow
MANIFEST = """
apiVersion: authorino.kuadrant.io/v1beta3
kind: AuthConfig
metadata:
  name: toys
  namespace: shop
  annotations:
    tollhouse.io/extensions: "callbacks: {audit: {asynchronous: true}}"
spec:
  hosts: [toys.com]
  metadata:
    m: {http: {url: "%s/m"}}
  response:
    success:
      headers: {x-m: {plain: {selector: auth.metadata.m.a}}}
  callbacks:
    audit: {http: {method: POST, url: "%s/audit", contentType: application/json}}
"""


def _asked(address: str) -> Answer:
    request: external_auth_pb2.CheckRequest = check_request("/toys")
    with grpc.insecure_channel(address) as channel:
        ask = channel.unary_unary(CHECK, None, None)
        return parse(ask(request.SerializeToString(), timeout=10), native=False)


def _metrics(address: str) -> list[str]:
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=5) as response:
        return response.read().decode().splitlines()


def _manifest(folder: Path, backend: Backend) -> str:
    backend.says("/m", {"a": "there"})
    backend.says("/audit")
    file = folder / "toys.yaml"
    file.write_text(MANIFEST % (backend.url, backend.url))
    return str(file)


@pytest.mark.parametrize("deny", ["127.0.0.0/8", "private"])
def test_denied_destinations_are_not_called(tmp_path: Path, deny: str) -> None:
    with on_own_loop(http_backend()) as backend:
        manifest = _manifest(tmp_path, backend)
        with serving(manifest, "--outgoing-deny", deny) as server:
            answer = _asked(server.grpc)
            assert (answer.http_status, answer.headers) == (200, [])
            refused = 'tollhouse_outgoing_calls_total{outcome="destination_refused"} 2.0'
            eventually(lambda: refused in _metrics(server.http), "two refused calls")
        assert backend.seen == []


def test_callbacks_are_sent_before_the_end(tmp_path: Path) -> None:
    with on_own_loop(http_backend()) as backend:
        manifest = _manifest(tmp_path, backend)
        with serving(manifest) as server:
            answer = _asked(server.grpc)
            server.send(signal.SIGTERM)
            assert server.ended() == 0
            assert answer.headers == [("x-m", "there")]
        assert [seen.target for seen in backend.seen] == ["/m", "/audit"]
        assert json.loads(backend.seen[1].body) == {}
