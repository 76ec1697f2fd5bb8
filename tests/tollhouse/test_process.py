"""The real process: its start, its end, its probes, its reloads."""

import json
import queue
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import grpc
import pytest
from envoy.service.ratelimit.v3 import rls_pb2
from grpc_health.v1 import health_pb2

from tests.tollhouse.server_process import ROOT, ServerProcess, serving
from tollhouse.settings import Transport

SHOULD = "/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit"
INFO = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
WATCH = "/grpc.health.v1.Health/Watch"
MANIFESTS = ROOT / "deploy" / "demo" / "manifests"

each_transport = pytest.mark.parametrize(
    "transport", [Transport.NATIVE, pytest.param(Transport.GRPCIO, marks=pytest.mark.slow)]
)


def limit(max_value: int) -> str:
    return (
        f"- {{namespace: n, max_value: {max_value}, seconds: 60, conditions: [], variables: []}}\n"
    )


def over_limit(address: str) -> bool:
    request = rls_pb2.RateLimitRequest(domain="n")
    with grpc.insecure_channel(address) as channel:
        ask = channel.unary_unary(SHOULD, None, rls_pb2.RateLimitResponse.FromString)
        answer = ask(request.SerializeToString(), timeout=5)
    return bool(answer.overall_code == rls_pb2.RateLimitResponse.OVER_LIMIT)


def get(server: ServerProcess, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://{server.http}{path}", timeout=5) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def within(seconds: float, condition: Callable[[], bool]) -> bool:
    give_up = time.monotonic() + seconds
    while time.monotonic() < give_up:
        if condition():
            return True
        time.sleep(0.005)
    return condition()


@each_transport
def test_process_answers_and_ends_with_zero(tmp_path: Path, transport: Transport) -> None:
    limits = tmp_path / "limits.yaml"
    limits.write_text(limit(1))
    with serving("--limits", str(limits), "--transport", transport) as server:
        assert not over_limit(server.grpc)
        assert over_limit(server.grpc)
        assert get(server, "/livez")[0] == get(server, "/readyz")[0] == 200
        status, metrics = get(server, "/metrics")
        assert status == 200
        assert 'limited_calls{limitador_namespace="n"} 1.0' in metrics
        assert "tollhouse_grpc_calls_total 2.0" in metrics
        server.send(signal.SIGTERM)
        assert server.ended() == 0
        assert "Traceback" not in server.log
        assert not [line for line in server.lines if " ERROR " in line or " WARNING " in line]


@each_transport
def test_end_is_told_to_health_watchers(transport: Transport) -> None:
    with serving("--transport", transport) as server:
        with grpc.insecure_channel(server.grpc) as channel:
            watch = channel.unary_stream(
                WATCH,
                health_pb2.HealthCheckRequest.SerializeToString,
                health_pb2.HealthCheckResponse.FromString,
            )(health_pb2.HealthCheckRequest(), timeout=20)
            assert next(watch).status == health_pb2.HealthCheckResponse.SERVING
            server.send(signal.SIGINT)
            assert next(watch).status == health_pb2.HealthCheckResponse.NOT_SERVING
        assert server.ended() == 0


@pytest.mark.slow
def test_second_signal_ends_at_once() -> None:
    questions: queue.Queue[bytes] = queue.Queue()
    with serving("--grace-seconds", "60") as server, grpc.insecure_channel(server.grpc) as channel:
        stream = channel.stream_stream(INFO)(iter(questions.get, b"end"))
        questions.put(b"")
        next(stream)
        server.send(signal.SIGTERM)
        assert within(5, lambda: get(server, "/readyz")[0] == 503)
        assert server.child.poll() is None
        server.send(signal.SIGTERM)
        assert server.ended() == 128 + signal.SIGTERM
        questions.put(b"end")


@each_transport
def test_changed_limits_count_soon_and_refused_ones_never(
    tmp_path: Path, transport: Transport
) -> None:
    limits = tmp_path / "limits.yaml"
    limits.write_text(limit(1))
    with serving("--limits", str(limits), "--transport", transport) as server:
        assert not over_limit(server.grpc)
        assert over_limit(server.grpc)
        limits.write_text(limit(2))
        assert within(2, lambda: '"max_value":2' in get(server, "/limits/n")[1])
        assert not over_limit(server.grpc)
        assert over_limit(server.grpc)
        limits.write_text("- nonsense")
        assert within(2, lambda: json.loads(get(server, "/status")[1])["config_err_since"] == 1)
        assert "limits refused: " in server.log
        assert over_limit(server.grpc)
        limits.unlink()
        assert within(2, lambda: "is gone; its limits stay" in server.log)
        assert over_limit(server.grpc)
        limits.write_text(limit(3))
        assert within(2, lambda: json.loads(get(server, "/status")[1])["config_err_since"] == 0)
        assert not over_limit(server.grpc)


@pytest.mark.slow
def test_manifest_problems_show_in_log_status_and_metrics(tmp_path: Path) -> None:
    good = (MANIFESTS / "authconfig.yaml").read_text()
    (tmp_path / "a.yaml").write_text(good)
    with serving(str(tmp_path), "--rls-listen", "none", "--authz-listen", "127.0.0.1:0") as server:
        manifests = json.loads(get(server, "/status")[1])["manifests"]
        assert (manifests["auth_configs"], manifests["problems"]) == (1, [])
        (tmp_path / "b.yaml").write_text(good.replace("name: toystore", "name: other", 1))
        (tmp_path / "c.yaml").write_text("apiVersion: v1\nkind: Secret\nmetadata: {}\n")

        def problems() -> list[str]:
            found: list[str] = json.loads(get(server, "/status")[1])["manifests"]["problems"]
            return found

        assert within(2, lambda: len(problems()) >= 2)
        assert any(line.startswith(f"{tmp_path}/c.yaml:1: metadata.name: ") for line in problems())
        assert f"refused: {tmp_path}/c.yaml:1: " in server.log
        assert f"tollhouse_manifest_problems {len(problems())}.0" in get(server, "/metrics")[1]


@pytest.mark.slow
def test_json_log_is_one_object_per_line() -> None:
    with serving(environment={"TOLLHOUSE_LOG_FORMAT": "json"}) as server:
        assert all(json.loads(line)["level"] == "info" for line in server.lines)
