"""Our codecs beside protobuf's upb, over what Envoy sends. Both are called from Python."""

from envoy.service.auth.v3 import external_auth_pb2
from envoy.service.ratelimit.v3 import rls_pb2
from pytest_benchmark.fixture import BenchmarkFixture

from _fastpath.check_codec import decode_check_request, encode_check_response
from _fastpath.rls_codec import decode_rate_limit_request
from loadtests.contenders import check_request, rate_limit_request

RLS_REQUEST = rate_limit_request()
CHECK_REQUEST = check_request()
NOW_NS = 1_790_000_000_000_000_000


def bench_decode_rate_limit(benchmark: BenchmarkFixture) -> None:
    benchmark(decode_rate_limit_request, RLS_REQUEST)


def bench_decode_rate_limit_by_protobuf(benchmark: BenchmarkFixture) -> None:
    benchmark(rls_pb2.RateLimitRequest.FromString, RLS_REQUEST)


def bench_decode_check(benchmark: BenchmarkFixture) -> None:
    benchmark(decode_check_request, CHECK_REQUEST, 1, NOW_NS)


def bench_decode_check_by_protobuf(benchmark: BenchmarkFixture) -> None:
    benchmark(external_auth_pb2.CheckRequest.FromString, CHECK_REQUEST)


def bench_authorization_json(benchmark: BenchmarkFixture) -> None:
    """All attributes as Python values, which only the full lane needs."""
    benchmark(decode_check_request(CHECK_REQUEST, 1, NOW_NS).attributes)


def bench_encode_allow_with_metadata(benchmark: BenchmarkFixture) -> None:
    benchmark(
        encode_check_response,
        0,
        headers=[("x-user", "alice")],
        dynamic_metadata={"identity": {"user": "alice", "plan": "gold"}},
    )
