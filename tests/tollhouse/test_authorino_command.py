"""`tollhouse authorino server` as a process: ports, probes, metrics, log lines and shards."""

import json
import re
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest
from envoy.service.auth.v3 import external_auth_pb2

from tests.redis.servers import free_port
from tests.tollhouse.server_process import PATIENCE_SECONDS, ServerProcess
from tests.tollhouse.test_server_tls import NAME, SERVERS, write

pytestmark = pytest.mark.slow

CHECK = "/envoy.service.auth.v3.Authorization/Check"
OK, NOT_FOUND = grpc.StatusCode.OK.value[0], grpc.StatusCode.NOT_FOUND.value[0]
CONFIG = """\
apiVersion: authorino.kuadrant.io/v1beta3
kind: AuthConfig
metadata: {name: NAME, namespace: shop, labels: {shard: NAME}}
spec:
  hosts: [HOST]
"""


def config(name: str, host: str) -> str:
    return CONFIG.replace("NAME", name).replace("HOST", host)


def check(channel: grpc.Channel, host: str) -> int:
    """The status of the answer."""
    ask = channel.unary_unary(CHECK, None, external_auth_pb2.CheckResponse.FromString)
    request = external_auth_pb2.CheckRequest()
    http = request.attributes.request.http
    http.host, http.method, http.path = host, "GET", "/"
    return int(ask(request.SerializeToString(), timeout=10).status.code)


@contextmanager
def running(*arguments: str, **environment: str) -> Iterator[ServerProcess]:
    server = ServerProcess(
        *(
            "server",
            "--ext-auth-grpc-port",
            "0",
            "--ext-auth-http-port",
            "0",
            "--metrics-addr",
            "127.0.0.1:0",
        ),
        *("--health-probe-addr", "127.0.0.1:0", *arguments),
        environment=environment,
        command="authorino",
    )
    try:
        yield server.ready()
    finally:
        if server.child.poll() is None:
            server.child.terminate()
        server.ended()


def get(address: str, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://{address}{path}", timeout=5) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_probes_and_metrics_stand_where_authorinos_do(tmp_path: Path) -> None:
    place = tmp_path / "a.yaml"
    place.write_text(config("one", "one.com"))
    with running("--manifests", str(tmp_path), KUBE_CLIENT_QPS="50") as server:
        probes = server.told(r"probes on ([0-9.:]+)")
        metrics = server.told(r"metrics on ([0-9.:]+)")
        assert get(probes, "/healthz") == (200, "ok")
        assert get(probes, "/readyz?include=authconfigs") == (200, "ok")
        assert "auth_server_response_status" in get(metrics, "/server-metrics")[1]
        assert "auth_server" not in get(metrics, "/metrics")[1]
        assert get(metrics, "/limits/shop")[0] == 404

        place.write_text(config("one", "one.com") + "---\n" + config("two", "one.com"))
        give_up = time.monotonic() + PATIENCE_SECONDS
        while get(probes, "/readyz/authconfigs")[0] == 200 and time.monotonic() < give_up:
            time.sleep(0.01)
        reason = "authconfig is not ready: shop/two (reason: HostsNotLinked)"
        assert get(probes, "/readyz/authconfigs") == (500, reason)
        assert get(probes, "/readyz") == (200, "ok")
        events = [json.loads(line) for line in server.lines]
    assert all({"level", "ts", "logger", "msg"} <= event.keys() for event in events)
    assert any("--kube-client-qps has no effect" in event["msg"] for event in events)


def test_shards_answer_for_their_own_labels(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(config("one", "one.com") + "---\n" + config("two", "two.com"))
    port = free_port()
    with running(
        *("--manifests", str(tmp_path), "--auth-config-label-selector", "shard=one"),
        *("--ext-auth-grpc-port", str(port), "--log-mode", "development"),
    ) as server:
        assert re.search(r"INFO tollhouse\.serve: gRPC on 0\.0\.0\.0:\d+", server.log)
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            assert [check(channel, host) for host in ("one.com", "two.com")] == [OK, NOT_FOUND]


def test_grpc_has_tls_with_a_certificate(tmp_path: Path) -> None:
    (tmp_path / "manifests").mkdir()
    (tmp_path / "manifests" / "a.yaml").write_text(config("one", "one.com"))
    port = free_port()
    files = write(tmp_path / "tls", SERVERS.issue("toys.com", extensions=[NAME]))
    with running(
        *("--manifests", str(tmp_path / "manifests"), "--ext-auth-grpc-port", str(port)),
        TLS_CERT=str(files.certificate),
        TLS_CERT_KEY=str(files.key),
    ) as server:
        server.told(r"(gRPC with TLS on)")
        trusted = grpc.ssl_channel_credentials(SERVERS.pem.encode())
        named = (("grpc.ssl_target_name_override", "toys.com"),)
        with grpc.secure_channel(f"127.0.0.1:{port}", trusted, named) as channel:
            assert [check(channel, "one.com") for _ in range(3)] == [OK] * 3
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            with pytest.raises(grpc.RpcError):
                check(channel, "one.com")
        server.child.terminate()
        assert server.ended() == 0


def test_certificates_and_missing_manifests_end_the_start(tmp_path: Path) -> None:
    for words in (["--manifests", str(tmp_path), "--tls-cert", "a"], []):
        server = ServerProcess("server", *words, command="authorino")
        assert server.ended() == 2
