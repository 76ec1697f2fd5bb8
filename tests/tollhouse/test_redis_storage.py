"""`tollhouse serve --storage redis`: replicas count, and hold, together."""

import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from envoy.service.ratelimit.v3 import rls_pb2

from protos.generated import kuadrantrls_pb2 as kuadrant
from ratelimit.redis.key import HashTag
from tests.redis.servers import RedisServer, free_port
from tests.tollhouse.server_process import ServerProcess, serving
from tollhouse.settings import RedisMode, Transport

pytestmark = pytest.mark.slow

ENVOY = "/envoy.service.ratelimit.v3.RateLimitService/"
KUADRANT = "/kuadrant.service.ratelimit.v1.RateLimitService/"
OK, OVER_LIMIT = rls_pb2.RateLimitResponse.OK, rls_pb2.RateLimitResponse.OVER_LIMIT


@pytest.fixture
def limits(tmp_path: Path) -> Path:
    path = tmp_path / "limits.yaml"
    path.write_text("- {namespace: n, max_value: 10, seconds: 600, conditions: [], variables: []}")
    return path


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


def call(address: str, method: str, request: object, answer: type) -> object:
    with grpc.insecure_channel(address) as channel:
        stub = channel.unary_unary(method, None, answer.FromString)
        return stub(request.SerializeToString(), timeout=10)


def told_metrics(server: ServerProcess) -> str:
    with urllib.request.urlopen(f"http://{server.http}/metrics", timeout=10) as response:
        return str(response.read().decode())


def should(server: ServerProcess, hits: int) -> int:
    request = rls_pb2.RateLimitRequest(domain="n", hits_addend=hits)
    answer = call(server.grpc, ENVOY + "ShouldRateLimit", request, rls_pb2.RateLimitResponse)
    return answer.overall_code


@pytest.mark.parametrize("mode", list(RedisMode))
def test_replicas_share_counters_and_reservations(
    redis: RedisServer, limits: Path, mode: RedisMode
) -> None:
    words = ("--limits", str(limits), "--storage", "redis", "--redis-url", redis.url)
    words += ("--redis-mode", mode)
    with serving(*words) as one, serving(*words) as two:
        assert [should(one, 3), should(two, 3)] == [OK, OK]
        asked = kuadrant.ReserveRequest(domain="n", amount=3)
        held = call(one.grpc, KUADRANT + "Reserve", asked, kuadrant.ReserveResponse)
        assert held.code == OK
        assert should(two, 1) == OK
        assert should(two, 1) == OVER_LIMIT
        done = kuadrant.CommitRequest(
            domain="n", reservation_id=held.reservation_id, actual_amount=1
        )
        answer = call(two.grpc, KUADRANT + "Commit", done, kuadrant.CommitResponse)
        assert answer.reservation_released
        assert should(one, 2) == OK
        assert should(one, 1) == OVER_LIMIT


@pytest.mark.parametrize(
    ("transport", "mode", "tag"),
    [
        (Transport.NATIVE, RedisMode.EXACT, HashTag.KEY),
        (Transport.NATIVE, RedisMode.LEASED, HashTag.NAMESPACE),
        (Transport.GRPCIO, RedisMode.EXACT, HashTag.NAMESPACE),
    ],
)
def test_native_lane_decides(
    redis: RedisServer, limits: Path, transport: Transport, mode: RedisMode, tag: HashTag
) -> None:
    words = ("--limits", str(limits), "--storage", "redis", "--redis-url", redis.unix_url)
    more = ("--transport", transport, "--redis-mode", mode, "--redis-hash-tag", tag.value)
    with serving(*words, *more) as server:
        assert [should(server, 4) for _ in range(3)] == [OK, OK, OVER_LIMIT]
        assert should(server, 2) == OK
        metrics = told_metrics(server)
        native = "tollhouse_grpc_calls_answered_natively_total 4.0" in metrics
        assert native or transport is not Transport.NATIVE
        assert "datastore_partitioned 0.0" in metrics
        assert 'ratelimit_redis_nodes{state="up"} 1.0' in metrics


def test_paused_redis_is_told_and_comes_back(redis: RedisServer, limits: Path) -> None:
    words = ("--limits", str(limits), "--storage", "redis", "--redis-url", redis.url)
    with serving(*words) as server:
        assert should(server, 1) == OK
        redis.pause()
        assert should(server, 1) == OVER_LIMIT
        server.told(r"(is down \(timeout\))")
        metrics = told_metrics(server)
        assert "datastore_partitioned 1.0" in metrics
        assert 'ratelimit_redis_failures{reason="timeout"} 1.0' in metrics
        assert 'ratelimit_redis_failed_hits{fail="closed"} 1.0' in metrics
        redis.resume()
        deadline = time.monotonic() + 20
        while should(server, 1) != OK:
            assert time.monotonic() < deadline
            time.sleep(0.02)


def test_process_goes_on_without_redis(redis: RedisServer, limits: Path) -> None:
    words = ("--limits", str(limits), "--storage", "redis", "--redis-url", redis.url)
    with serving(*words, "--fail", "open") as server:
        assert should(server, 10) == OK
        assert should(server, 1) == OVER_LIMIT
        redis.stop()
        assert should(server, 1) == OK


def test_required_redis_out_of_reach_ends_the_start(limits: Path) -> None:
    url = f"redis://user:secret@127.0.0.1:{free_port()}"
    server = ServerProcess(
        *("--limits", str(limits), "--rls-listen", "127.0.0.1:0", "--authz-listen", "none"),
        *("--http-listen", "none", "--storage", "redis", "--redis-url", url),
        *("--redis-required", "--redis-connect-timeout-seconds", "0.1"),
    )
    assert server.ended() == 1
    assert "tollhouse: Redis" in server.log
    assert "secret" not in server.log
