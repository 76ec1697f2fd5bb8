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


HANGING = """
apiVersion: authorino.kuadrant.io/v1beta3
kind: AuthConfig
metadata: {name: hanging, namespace: shop}
spec:
  hosts: [hanging.com]
  metadata:
    m: {http: {url: "%s/{request.path}", timeout: 2000}}
  authorization:
    known: {patternMatching: {patterns: [{predicate: has(auth.metadata.m)}]}}
---
"""


def test_a_source_that_hangs_holds_up_nobody_else(tmp_path: Path) -> None:
    bounds = ("--outgoing-per-destination=10", "--outgoing-waiting=20")
    circuit = ("--outgoing-circuit-slow-seconds=0.1", "--outgoing-circuit-failures=10")
    with on_own_loop(http_backend()) as backend, on_own_loop(http_backend()) as hanging:
        for at in range(100):
            hanging.hangs(f"//{at}")
        manifest = _manifest(tmp_path, backend)
        (tmp_path / "hanging.yaml").write_text(HANGING % hanging.url)
        with (
            serving(manifest, str(tmp_path / "hanging.yaml"), *bounds, *circuit) as server,
            grpc.insecure_channel(server.grpc) as channel,
        ):
            ask = channel.unary_unary(CHECK, None, None)
            waiting = [
                ask.future(check_request(f"/{at}", "hanging.com").SerializeToString(), timeout=20)
                for at in range(100)
            ]
            eventually(lambda: len(hanging.seen) == 10, "the calls at a time")
            assert _asked(server.grpc).headers == [("x-m", "there")]
            assert not all(call.done() for call in waiting)
            assert {parse(call.result(), native=False).http_status for call in waiting} == {403}
            opened = "tollhouse_outgoing_circuits_opened_total 1.0"
            assert opened in _metrics(server.http)
        assert len(hanging.seen) < 100


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
