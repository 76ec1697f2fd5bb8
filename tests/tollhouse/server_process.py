"""A real server process on addresses that it chose itself."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_SECONDS = 30.0


class ServerProcess:
    """Reads what the process tells; `grpc` and `http` are the addresses it logged."""

    def __init__(
        self,
        *arguments: str,
        environment: dict[str, str] | None = None,
        command: str = "serve",
    ) -> None:
        # PYTHONPATH: the checkout under test, whatever is installed.
        settings = {**os.environ, "PYTHONPATH": str(ROOT), **(environment or {})}
        self.child = subprocess.Popen(
            [sys.executable, "-m", "tollhouse", command, *arguments],
            cwd=ROOT,
            env=settings,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.child.stdout is not None
        for line in self.child.stdout:
            self.lines.append(line.rstrip("\n"))

    @property
    def log(self) -> str:
        return "\n".join(self.lines)

    def told(self, pattern: str) -> str:
        """The first group of `pattern` in the log, once it is there."""
        give_up = time.monotonic() + PATIENCE_SECONDS
        while True:
            for line in list(self.lines):
                if found := re.search(pattern, line):
                    return found.group(1)
            assert self.child.poll() is None, f"ended with {self.child.returncode}:\n{self.log}"
            assert time.monotonic() < give_up, f"no {pattern!r} in:\n{self.log}"
            time.sleep(0.01)

    @property
    def grpc(self) -> str:
        return self.told(r"gRPC on (\S+)")

    @property
    def http(self) -> str:
        return self.told(r"HTTP on (\S+)")

    def ready(self) -> "ServerProcess":
        self.told(r"(deciding requests)")
        return self

    def send(self, number: signal.Signals) -> None:
        self.child.send_signal(number)

    def ended(self) -> int:
        """The exit code, with the whole log read."""
        code = self.child.wait(PATIENCE_SECONDS)
        self._reader.join(PATIENCE_SECONDS)
        assert self.child.stdout is not None
        self.child.stdout.close()
        return code


@contextmanager
def serving(*arguments: str, environment: dict[str, str] | None = None) -> Iterator[ServerProcess]:
    """A process that decides requests: one gRPC listener and HTTP, on free ports by default."""
    given = " ".join(arguments)
    words = list(arguments)
    for flag, address in (
        ("--rls-listen", "127.0.0.1:0"),
        ("--authz-listen", "none"),
        ("--http-listen", "127.0.0.1:0"),
        ("--authz-http-listen", "none"),
        ("--oidc-listen", "none"),
        ("--threads", "1"),
    ):
        if flag not in given:
            words += [flag, address]
    server = ServerProcess(*words, environment=environment)
    try:
        yield server.ready()
    finally:
        if server.child.poll() is None:
            server.child.kill()
        server.ended()
