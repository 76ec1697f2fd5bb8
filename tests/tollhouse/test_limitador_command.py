"""`tollhouse limitador` as a process: where limitador-server goes wrong, it does not."""

import json
import socket
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from envoy.service.ratelimit.v3 import rls_pb2
from grpc_health.v1 import health_pb2

from protos.generated import kuadrantrls_pb2 as kuadrant
from tests.redis.servers import RedisServer, free_port
from tests.tollhouse.server_process import ServerProcess

pytestmark = pytest.mark.slow

SHOULD = "/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit"
REPORT = "/kuadrant.service.ratelimit.v1.RateLimitService/Report"
RESERVE = "/kuadrant.service.ratelimit.v1.RateLimitService/Reserve"
HEALTH = "/grpc.health.v1.Health/Check"
OK, OVER_LIMIT = rls_pb2.RateLimitResponse.OK, rls_pb2.RateLimitResponse.OVER_LIMIT
USER = """\
- namespace: n
  id: one
  max_value: 5
  seconds: 600
  conditions: []
  variables: ["descriptors[0].u"]
"""


@pytest.fixture
def limits(tmp_path: Path) -> Path:
    path = tmp_path / "limits.yaml"
    path.write_text(USER)
    return path


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


def started(limits: Path, *storage: str, rls: str = "127.0.0.1", port: str = "0") -> ServerProcess:
    listeners = ("-b", rls, "-p", port, "-B", "127.0.0.1", "-P", "0")
    return ServerProcess("-vv", *listeners, str(limits), *storage, command="limitador")


@contextmanager
def running(limits: Path, *storage: str, **listener: str) -> Iterator[ServerProcess]:
    server = started(limits, *storage, **listener)
    try:
        yield server.ready()
    finally:
        if server.child.poll() is None:
            server.child.terminate()
        server.ended()


def call(server: ServerProcess, method: str, request: Any, answer: type[Any]) -> Any:
    with grpc.insecure_channel(server.grpc) as channel:
        stub = channel.unary_unary(method, None, answer.FromString)
        return stub(request.SerializeToString(), timeout=10)


def ask(server: ServerProcess, hits: int = 1, user: str = "a", method: str = SHOULD) -> int:
    request = rls_pb2.RateLimitRequest(domain="n", hits_addend=hits)
    request.descriptors.add().entries.add(key="u", value=user)
    return call(server, method, request, rls_pb2.RateLimitResponse).overall_code


def status(server: ServerProcess) -> Any:
    with urllib.request.urlopen(f"http://{server.http}/status", timeout=5) as response:
        return json.load(response)


def within(condition: Callable[[], bool]) -> None:
    give_up = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.01)


def counters(server: ServerProcess) -> list[tuple[str, int]]:
    with urllib.request.urlopen(f"http://{server.http}/counters/n", timeout=5) as response:
        listed = json.load(response)
    return sorted(
        (counter["set_variables"]["descriptors[0].u"], counter["remaining"]) for counter in listed
    )


def test_name_instead_of_an_address_is_resolved(limits: Path) -> None:
    with running(limits, rls="localhost") as server:
        assert ask(server) == OK


def test_taken_grpc_port_ends_the_start(limits: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        server = started(limits, port=str(other.getsockname()[1]))
        assert server.ended() == 1
    assert "Address already in use" in server.log


def test_redis_out_of_reach_ends_the_start(limits: Path) -> None:
    server = started(limits, "redis", f"redis://user:secret@127.0.0.1:{free_port()}")
    assert server.ended() == 1
    assert "Failed to connect to Redis at redis://user:****@127.0.0.1:" in server.log
    assert "secret" not in server.log


def test_health_and_reservations_are_offered(limits: Path) -> None:
    with running(limits) as server:
        health = call(
            server, HEALTH, health_pb2.HealthCheckRequest(), health_pb2.HealthCheckResponse
        )
        assert health.status == health_pb2.HealthCheckResponse.SERVING
        held = call(server, RESERVE, kuadrant.ReserveRequest(domain="n"), kuadrant.ReserveResponse)
        assert held.code == OK


def test_redis_lists_limits_with_an_id(redis: RedisServer, limits: Path) -> None:
    with running(limits, "redis", redis.url) as server:
        ask(server, 2, "a")
        ask(server, 3, "b")
        assert counters(server) == [("a", 3), ("b", 2)]


def test_every_call_without_redis_fails_at_once(redis: RedisServer, limits: Path) -> None:
    with running(limits, "redis", redis.url) as server:
        assert ask(server) == OK
        redis.stop()
        for _ in range(3):
            before = time.monotonic()
            with pytest.raises(grpc.RpcError) as failed:
                ask(server)
            assert failed.value.code() is grpc.StatusCode.UNAVAILABLE
            assert time.monotonic() - before < 2


def test_disk_keeps_values_reports_and_what_is_dropped(limits: Path, tmp_path: Path) -> None:
    disk = ("disk", str(tmp_path / "data"))
    with running(limits, *disk) as server:
        ask(server, 1, "a")
        ask(server, 20, "b", REPORT)
    with running(limits, *disk) as server:
        assert counters(server) == [("a", 4), ("b", 0)]
        assert ask(server, 1, "b") == OVER_LIMIT
        limits.write_text("[]\n")
        within(lambda: status(server)["config_version"] == 1)
        limits.write_text(USER)
        within(lambda: status(server)["config_version"] == 2)
        assert counters(server) == []
        assert ask(server, 5, "b") == OK


def test_cached_redis_knows_what_it_did_not_count(redis: RedisServer, limits: Path) -> None:
    cached = ("redis_cached", redis.url, "--flush-period", "200")
    with running(limits, *cached) as server:
        assert ask(server, 9, "cold") == OVER_LIMIT
        assert ask(server, 5, "reported", REPORT) == OK
        assert ask(server, 1, "reported") == OVER_LIMIT
        assert ask(server, 5, "exhausted") == OK
    with running(limits, *cached) as server:
        assert ask(server, 1, "exhausted") == OVER_LIMIT
