"""Records what a real Envoy sends to both services, as seeds of the fuzz harness.

python -m tests.fuzz.capture
"""

import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc

from tests.e2e.bootstrap import (
    FILTERS,
    bootstrap,
    cluster,
    constant,
    descriptor,
    ext_authz,
    header,
    ratelimit,
    route,
)
from tests.e2e.processes import Envoy, free_ports, upstream

SEEDS = Path(__file__).resolve().parent / "seeds"
ANSWERS = {"ShouldRateLimit": b"\x08\x01", "Check": b"\x0a\x00", "Health/Check": b"\x08\x01"}
REQUESTS: list[dict[str, Any]] = [
    {"path": "/"},
    {"path": "/toys?page=1&q=a%20b", "headers": {"x-user": "alice", "x-tenant": "acme"}},
    {"path": "/toys", "headers": {"authorization": "APIKEY key", "cookie": "a=b; session=c=d"}},
    {"path": "/toys", "method": "POST", "host": "toys.example.com:8443"},
    {"path": "/cost", "headers": {"x-user": "bob", "x-cost": "12"}},
    {"path": "/cost", "headers": {"x-user": "bob", "x-cost": "0"}},
    {"path": "/override", "headers": {"x-user": "eve"}},
    {"path": "/context", "headers": {"x-empty": "", "x-long": "v" * 3000}},
    {"path": "/grpc.Service/Method", "headers": {"content-type": "application/grpc"}},
]


def per_route(name: str, kind: str, **settings: Any) -> dict[str, Any]:
    return {name: {"@type": f"{FILTERS}.{kind}", **settings}}


BOTH = [
    descriptor(constant("kind", "any"), header(":method", "method"), header(":path", "path")),
    descriptor(header("x-user", "user"), {"remote_address": {}}),
    descriptor(
        {"request_headers": {"header_name": "x-no", "descriptor_key": "n", "skip_if_absent": True}}
    ),
]
COST = {**descriptor(header("x-user", "user")), "hits_addend": {"format": "%REQ(x-cost)%"}}
OVERRIDE = {
    **descriptor(header("x-user", "user")),
    "limit": {"rate_limit": {"requests_per_unit": 42, "unit": "HOUR"}},
}
ROUTES = [
    route(
        "/cost",
        per_filter=per_route("ratelimit", "ratelimit.v3.RateLimitPerRoute", rate_limits=[COST]),
    ),
    route("/override", rate_limits=[OVERRIDE]),
    route(
        "/context",
        per_filter=per_route(
            "ext_authz",
            "ext_authz.v3.ExtAuthzPerRoute",
            check_settings={"context_extensions": {"host": "other.example.com", "tier": "gold"}},
        ),
        rate_limits=BOTH,
    ),
    route("/", rate_limits=BOTH),
]


class Recorder(grpc.GenericRpcHandler):
    """Answers "allowed" to everything and keeps the request bytes by method."""

    def __init__(self) -> None:
        self.seen: dict[str, list[bytes]] = {}

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        method = details.method
        answer = next(value for name, value in ANSWERS.items() if method.endswith(name))

        def reply(request: bytes, context: grpc.ServicerContext) -> bytes:
            self.seen.setdefault(method.rsplit("/", 1)[1], []).append(request)
            return answer

        return grpc.unary_unary_rpc_method_handler(reply)


def configuration(echo: int, port: int) -> Callable[[int, int], dict[str, Any]]:
    def configure(front: int, admin: int) -> dict[str, Any]:
        return bootstrap(
            front,
            admin,
            filters=[ext_authz(), ratelimit("shop")],
            routes=ROUTES,
            clusters=[
                cluster("upstream", [echo], grpc=False),
                cluster("rls", [port], grpc=True),
                cluster("authz", [port], grpc=True),
            ],
        )

    return configure


def main() -> None:
    recorder = Recorder()
    server = grpc.server(ThreadPoolExecutor(2), handlers=(recorder,))
    port = free_ports(1)[0]
    server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    with (
        tempfile.TemporaryDirectory() as folder,
        upstream() as echo,
        Envoy(Path(folder), configuration(echo, port)) as envoy,
    ):
        for request in REQUESTS:
            envoy.get(**request)
    server.stop(None)
    for method, kind in (("ShouldRateLimit", "rls"), ("Check", "check")):
        messages = [message for message in recorder.seen[method] if message]
        for number, message in enumerate(dict.fromkeys(messages)):
            (SEEDS / f"{kind}-{number:02}.bin").write_bytes(message)


if __name__ == "__main__":
    main()
