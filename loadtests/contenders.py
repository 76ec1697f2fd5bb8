"""The servers a benchmark compares: how each is started, what it is asked, what it must answer."""

import json
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
from envoy.service.auth.v3 import external_auth_pb2
from envoy.service.ratelimit.v3 import rls_pb2

from loadtests.paths import CHECK

HERE = Path(__file__).resolve().parent
HOST = "bench.example.com"
UNLIMITED = 10**15  # of a limit that a benchmark must never reach


@dataclass(frozen=True, slots=True)
class Contender:
    """`limits` and `keys` size the configuration of a Tollhouse, or `manifests` is all of it; the
    request meets `met` of the limits, `flags` are added to the command line; `kind` picks the
    program."""

    name: str
    # "ceiling", "grpcio", "native" (our server, constant answer), "one by one" (our server, each
    # decision a call of redis-py) or "tollhouse"
    kind: str
    path: str
    request: bytes
    answer: bytes
    limits: int = 0
    met: int = 1
    keys: int = 0
    manifests: str = ""
    flags: tuple[str, ...] = ()


def rate_limit_request() -> bytes:
    """What Envoy sends for one descriptor of three entries."""
    request = rls_pb2.RateLimitRequest(domain="bench")
    descriptor = request.descriptors.add()
    for key, value in (("req.method", "GET"), ("req.path", "/toys"), ("user_id", "user-0")):
        descriptor.entries.add(key=key, value=value)
    return bytes(request.SerializeToString(deterministic=True))


def check_request(authorization: str = "APIKEY key-0") -> bytes:
    """What Envoy sends for a curl request with an API key, or another credential."""
    request = external_auth_pb2.CheckRequest()
    attributes = request.attributes
    attributes.source.address.socket_address.address = "127.0.0.1"
    attributes.source.address.socket_address.port_value = 45678
    attributes.destination.address.socket_address.address = "127.0.0.1"
    attributes.destination.address.socket_address.port_value = 10000
    attributes.request.time.seconds = 1_790_000_000
    http = attributes.request.http
    http.id = "1234567890123456789"
    http.method = "GET"
    http.path = "/toys?page=1"
    http.host = HOST
    http.scheme = "http"
    http.protocol = "HTTP/1.1"
    http.headers.update(
        {
            ":authority": HOST,
            ":method": "GET",
            ":path": "/toys?page=1",
            ":scheme": "http",
            "accept": "*/*",
            "authorization": authorization,
            "user-agent": "curl/8.5.0",
            "x-forwarded-proto": "http",
            "x-request-id": "0f6a7a4e-6d0c-4f7e-9d2a-5c1e4f7f0b11",
        }
    )
    attributes.metadata_context.SetInParent()
    return bytes(request.SerializeToString(deterministic=True))


def limits_file(count: int, met: int) -> str:
    """The request meets the first `met` of these limits; an index keeps the others out of its way.

    Those that it meets have different windows, so each has a counter of its own.
    """
    limits = [
        {
            "namespace": "bench",
            "max_value": UNLIMITED,
            "seconds": 3600 + min(number, met),
            "conditions": [f"descriptors[0].user_id == 'user-{max(0, number - met + 1)}'"],
            "variables": ["descriptors[0].user_id"],
        }
        for number in range(count)
    ]
    return json.dumps(limits)


def auth_config(name: str, host: str, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "authorino.kuadrant.io/v1beta3",
        "kind": "AuthConfig",
        "metadata": {"name": name, "namespace": "bench"},
        "spec": {"hosts": [host], **spec},
    }


def key_secrets(count: int) -> list[dict[str, Any]]:
    """Secrets with the keys key-0, key-1 …"""
    labels = {"app": "bench", "authorino.kuadrant.io/managed-by": "authorino"}
    return [
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": f"key-{number}", "namespace": "bench", "labels": labels},
            "stringData": {"api_key": f"key-{number}"},
        }
        for number in range(count)
    ]


def stream(documents: Iterable[dict[str, Any]]) -> str:
    """A YAML stream of JSON documents."""
    return "\n---\n".join(map(json.dumps, documents))


def manifests(keys: int) -> str:
    """One AuthConfig and `keys` API keys."""
    authentication = {
        "keys": {
            "apiKey": {"selector": {"matchLabels": {"app": "bench"}}},
            "credentials": {"authorizationHeader": {"prefix": "APIKEY"}},
        }
    }
    return stream([auth_config("bench", HOST, authentication=authentication), *key_secrets(keys)])


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def compile_ceiling(folder: Path) -> Path:
    binary = folder / "ceiling"
    source = HERE / "ceiling.c"
    subprocess.run(
        ["cc", "-O2", "-Wno-deprecated-declarations", source, "-o", binary, "-lnghttp2"], check=True
    )
    return binary


def command(contender: Contender, port: int, threads: int, folder: Path) -> list[str]:
    if contender.kind == "ceiling":
        answer = folder / f"{contender.name}.answer"
        answer.write_bytes(contender.answer)
        return [str(compile_ceiling(folder)), str(port), str(answer)]
    if contender.kind == "grpcio":
        program = HERE / "grpcio_constant.py"
        return [sys.executable, str(program), str(port), contender.answer.hex()]
    if contender.kind == "native":
        program_words = [sys.executable, "-m", "loadtests.native_constant"]
        return [*program_words, str(port), str(threads), contender.answer.hex()]
    if contender.kind == "one by one":
        program_words = [sys.executable, "-m", "loadtests.redis_one_by_one"]
        return [*program_words, str(port), str(threads), *contender.flags]
    listen = "--authz-listen" if contender.path == CHECK else "--rls-listen"
    other = "--rls-listen" if contender.path == CHECK else "--authz-listen"
    words = [sys.executable, "-m", "tollhouse", "serve", "--http-listen", "none"]
    words += ["--authz-http-listen", "none"]
    words += ["--threads", str(threads), listen, f"127.0.0.1:{port}", other, "none"]
    if contender.manifests or contender.keys:
        place = folder / f"{contender.name}-manifests"
        place.mkdir()
        (place / "bench.yaml").write_text(contender.manifests or manifests(contender.keys))
        words.append(str(place))
    else:
        limits = folder / f"{contender.name}.yaml"
        limits.write_text(limits_file(contender.limits, contender.met))
        words += ["--limits", str(limits)]
    return [*words, *contender.flags]


def ask(port: int, contender: Contender) -> bytes:
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        call = channel.unary_unary(contender.path, lambda b: b, lambda b: b)
        return bytes(call(contender.request, timeout=2))


def allows(contender: Contender, answer: bytes) -> bool:
    if contender.path == CHECK:
        return bool(external_auth_pb2.CheckResponse.FromString(answer).status.code == 0)
    parsed = rls_pb2.RateLimitResponse.FromString(answer)
    return bool(parsed.overall_code == rls_pb2.RateLimitResponse.OK)


@contextmanager
def running(contender: Contender, threads: int) -> Iterator[tuple[int, int]]:
    """Start the contender, wait until it answers as it should; yields (pid, port)."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="tollhouse-bench-") as place:
        process = subprocess.Popen(command(contender, port, threads, Path(place)))
        try:
            wait_for_answer(process, port, contender)
            yield process.pid, port
        finally:
            process.terminate()
            process.wait(10)


def wait_for_answer(process: subprocess.Popen[bytes], port: int, contender: Contender) -> None:
    give_up = time.monotonic() + 60
    while True:
        if process.poll() is not None:
            raise SystemExit(f"{contender.name} ended at once with status {process.returncode}")
        try:
            answer = ask(port, contender)
        except grpc.RpcError:
            if time.monotonic() > give_up:
                raise SystemExit(f"{contender.name} did not answer within 60 s") from None
            time.sleep(0.1)
            continue
        if not allows(contender, answer):
            raise SystemExit(f"{contender.name} does not allow the benchmark's request")
        return
