"""A real Envoy, a real Tollhouse and an upstream that echoes, each on ports of its own."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

ROOT = Path(__file__).resolve().parents[2]
READY_SECONDS = 30.0
STOP_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer; header names in lower case, repeated headers in order."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key == name), None)

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key == name]

    def json(self) -> Any:
        return json.loads(self.body)


def request(
    port: int,
    path: str,
    *,
    method: str = "GET",
    host: str = "toys.example.com",
    headers: dict[str, str] | None = None,
    body: Any = None,
) -> Answer:
    """One request to 127.0.0.1 on a connection of its own; a body is sent as JSON by POST."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    sent = {"host": host, **(headers or {})}
    content = None
    if body is not None:
        method, content = "POST", json.dumps(body)
        sent["content-type"] = "application/json"
    try:
        connection.request(method, path, content, sent)
        response = connection.getresponse()
        lines = [(name.lower(), value) for name, value in response.getheaders()]
        return Answer(response.status, lines, response.read())
    finally:
        connection.close()


def eventually(condition: Callable[[], bool], what: str, seconds: float = READY_SECONDS) -> None:
    """Poll until `condition` holds; a refused connection counts as not yet."""
    give_up = time.monotonic() + seconds
    while True:
        try:
            if condition():
                return
        except OSError:
            pass
        assert time.monotonic() < give_up, f"{what} did not come about within {seconds:g} s"
        time.sleep(0.02)


class Process:
    """One child process; leaving the context stops it, with SIGKILL if it must."""

    def __init__(
        self,
        name: str,
        command: list[str],
        environment: dict[str, str] | None = None,
        *,
        folder: Path = ROOT,
    ) -> None:
        self.name = name
        variables = {**os.environ, "PYTHONPATH": str(ROOT), **(environment or {})}
        self.child = subprocess.Popen(command, cwd=folder, env=variables, start_new_session=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def send(self, number: signal.Signals) -> None:
        self.child.send_signal(number)

    def stop(self) -> int:
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGCONT)
            self.child.terminate()
            try:
                self.child.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.child.kill()
                self.child.wait()
        return self.child.returncode

    def ready(self, condition: Callable[[], bool]) -> None:
        def alive_and_ready() -> bool:
            assert self.child.poll() is None, f"{self.name} ended with {self.child.returncode}"
            return condition()

        eventually(alive_and_ready, f"{self.name} being ready")


class Tollhouse(Process):
    """`tollhouse serve` with both gRPC listeners and the HTTP side on free ports."""

    def __init__(self, folder: Path, *arguments: str, ports: "Addresses | None" = None) -> None:
        self.addresses = ports or Addresses.free()
        self.limits = folder / "limits.yaml"
        self.manifests = folder / "manifests"
        words = [str(self.manifests)] if self.manifests.exists() else []
        words += ["--limits", str(self.limits)] if self.limits.exists() else []
        local = "127.0.0.1"
        super().__init__(
            "tollhouse",
            [
                *(sys.executable, "-m", "tollhouse", "serve", *words),
                *("--rls-listen", f"{local}:{self.addresses.rls}"),
                *("--authz-listen", f"{local}:{self.addresses.authz}"),
                *("--http-listen", f"{local}:{self.addresses.http}"),
                *("--authz-http-listen", "none"),
                *("--threads", "1", *arguments),
            ],
        )

    def __enter__(self) -> Self:
        self.ready(lambda: request(self.addresses.http, "/readyz").status == 200)
        return self


class Ratelimit(Process):
    """`tollhouse ratelimit` with counters in memory; folder: of domain files."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.rls, self.http, debug = free_ports(3)
        ports = {"": self.http, "GRPC_": self.rls, "DEBUG_": debug}
        super().__init__(
            "tollhouse ratelimit",
            [sys.executable, "-m", "tollhouse", "ratelimit"],
            {
                **{f"{listener}HOST": "127.0.0.1" for listener in ports},
                **{f"{listener}PORT": str(port) for listener, port in ports.items()},
                "BACKEND_TYPE": "memory",
                "RUNTIME_ROOT": str(folder.parent),
                "RUNTIME_APPDIRECTORY": folder.name,
                "RUNTIME_WATCH_ROOT": "false",
                "TOLLHOUSE_THREADS": "1",
                **environment,
            },
        )

    def __enter__(self) -> Self:
        self.ready(lambda: request(self.http, "/healthcheck").status == 200)
        return self


@dataclass(frozen=True, slots=True)
class Addresses:
    """Ports of one Tollhouse on 127.0.0.1."""

    rls: int
    authz: int
    http: int

    @classmethod
    def free(cls) -> "Addresses":
        return cls(*free_ports(3))


def free_ports(count: int) -> list[int]:
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()


class Envoy(Process):
    """A single-threaded Envoy; `configure(front, admin)` returns its bootstrap."""

    def __init__(self, folder: Path, configure: Callable[[int, int], dict[str, Any]]) -> None:
        self.front, self.admin = free_ports(2)
        file = folder / "envoy.json"
        file.write_text(json.dumps(configure(self.front, self.admin)))
        super().__init__(
            "envoy",
            [
                *(str(Path(sys.executable).with_name("envoy")), "-c", str(file)),
                *("--concurrency", "1", "--log-level", "error", "--use-dynamic-base-id"),
                *("--service-cluster", "edge", "--service-node", "test"),
            ],
        )

    def __enter__(self) -> Self:
        self.ready(lambda: request(self.admin, "/ready").status == 200)
        return self

    def get(self, path: str, **options: Any) -> Answer:
        return request(self.front, path, **options)

    def stats(self, pattern: str) -> dict[str, int]:
        """Counters and gauges whose name matches the pattern, zeros included."""
        answer = request(self.admin, f"/stats?format=json&filter={pattern}")
        rows = (row for row in answer.json()["stats"] if "name" in row)
        return {row["name"]: row["value"] for row in rows}


class Echo(BaseHTTPRequestHandler):
    """Answers 200 with the JSON that was sent or, without any, with the request's headers as a
    list of pairs."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        lines = [(name.lower(), value) for name, value in self.headers.items()]
        body = self.rfile.read(int(self.headers.get("content-length", "0")))
        if not body:
            body = json.dumps({"path": self.path, "headers": lines}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        if cost := self.headers.get("x-cost"):
            self.send_header("x-cost", cost)
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_DELETE = do_GET

    def log_message(self, *arguments: object) -> None:
        pass


class EchoServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


@contextmanager
def upstream() -> Iterator[int]:
    """The port of an echoing HTTP server."""
    server = EchoServer(("127.0.0.1", 0), Echo)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
