"""A real `tollhouse ratelimit` process."""

import http.client
import json
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest
from envoy.service.ratelimit.v3 import rls_pb2
from grpc_health.v1 import health_pb2

from tests.descriptors.host import asked, descriptor
from tests.tollhouse.server_process import PATIENCE_SECONDS, ServerProcess

TREE = "domain: d\ndescriptors: [{key: a, rate_limit: {unit: day, requests_per_unit: %d}}]\n"
SHOULD = "/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit"


@contextmanager
def running(**environment: str) -> Iterator[ServerProcess]:
    places = {f"{part}HOST": "127.0.0.1" for part in ("", "GRPC_", "DEBUG_")}
    ports = {f"{part}PORT": "0" for part in ("", "GRPC_", "DEBUG_")}
    ours = {"LOG_LEVEL": "info", "BACKEND_TYPE": "memory", "TOLLHOUSE_THREADS": "1"}
    server = ServerProcess(
        command="ratelimit", environment={**places, **ports, **ours, **environment}
    )
    try:
        yield server
    finally:
        if server.child.poll() is None:
            server.child.kill()
        server.ended()


def fetched(address: str, path: str, body: object = None) -> tuple[int, str]:
    connection = http.client.HTTPConnection(address, timeout=PATIENCE_SECONDS)
    try:
        connection.request("GET" if body is None else "POST", path, body and json.dumps(body))
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


def eventually(condition: Callable[[], bool]) -> None:
    give_up = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < give_up, "it did not come to pass"
        time.sleep(0.01)


def mounted(folder: Path, version: int, requests: int) -> None:
    """A version of a ConfigMap, mounted as Kubernetes does: links to a link that is swapped."""
    inside = folder / f"..v{version}"
    inside.mkdir()
    (inside / "d.yaml").write_text(TREE % requests)
    (folder / "..tmp").symlink_to(inside.name)
    (folder / "..tmp").rename(folder / "..data")
    if not (folder / "d.yaml").exists():
        (folder / "d.yaml").symlink_to("..data/d.yaml")


@pytest.mark.slow
def test_a_life_with_a_mounted_configuration(tmp_path: Path) -> None:
    folder = tmp_path / "ratelimit" / "config"
    folder.mkdir(parents=True)
    places = {"RUNTIME_ROOT": str(tmp_path), "RUNTIME_SUBDIRECTORY": "ratelimit"}
    with running(
        **places, HEALTHY_WITH_AT_LEAST_ONE_CONFIG_LOADED="true", TRACING_ENABLED="x"
    ) as it:
        web, debug = it.http, it.told(r"debug on (\S+)")
        it.told(r"(deciding requests)")
        assert it.told(r"WARNING \S+: (TRACING_ENABLED has no effect)")
        assert fetched(web, "/healthcheck") == (500, "")
        mounted(folder, 1, 3)
        eventually(lambda: fetched(web, "/healthcheck") == (200, "OK"))
        with grpc.insecure_channel(it.grpc) as channel:
            check = channel.unary_unary("/grpc.health.v1.Health/Check")
            health = check(health_pb2.HealthCheckRequest(service="ratelimit").SerializeToString())
            assert health == b"\x08\x01"
            answer = channel.unary_unary(SHOULD)(
                asked("d", descriptor({"a": "x"})).SerializeToString()
            )
        assert rls_pb2.RateLimitResponse.FromString(answer).statuses[0].limit_remaining == 2
        mounted(folder, 2, 9)
        listed = "d.a: unit=DAY requests_per_unit=9, shadow_mode: false, quota_mode: false\n"
        eventually(lambda: fetched(debug, "/rlconfig") == (200, listed))
        request = {"domain": "d", "descriptors": [{"entries": [{"key": "a", "value": "x"}]}]}
        status, text = fetched(web, "/json", request)
        assert (status, json.loads(text)["statuses"][0]["limitRemaining"]) == (200, 7)
        assert "ratelimit.service.rate_limit.d.a.total_hits: 2\n" in fetched(debug, "/stats")[1]
        line = 'ratelimit_service_rate_limit_total_hits{domain="d",key1="a"} 2\n'
        assert line in fetched(debug, "/metrics")[1]
        it.send(signal.SIGTERM)
        assert it.ended() == 0


@pytest.mark.slow
def test_waiting_for_xds_ends_with_a_signal() -> None:
    with running(CONFIG_TYPE="GRPC_XDS_SOTW", CONFIG_GRPC_XDS_SERVER_URL="127.0.0.1:1") as server:
        server.told(r"(xDS server 127.0.0.1:1: UNAVAILABLE)")
        assert fetched(server.http, "/healthcheck") == (500, "")
        server.send(signal.SIGTERM)
        assert server.ended() == 0
