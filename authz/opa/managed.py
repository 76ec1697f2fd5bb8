"""An OPA that is a child of ours, on a Unix socket in a directory that is ours alone."""

import shutil
import socket
import subprocess
import tempfile
import threading
import time
import weakref
from pathlib import Path

from authz.opa.errors import EngineUnavailable

START_S = 15.0
LOOK_S = 0.02


class ManagedServer:
    """Started by the first who needs it, and again when it has ended. It inherits no environment.

    config: OPA's configuration file, for bundles, or None.
    """

    def __init__(self, program: Path, config: Path | None = None) -> None:
        self._program = program
        self._config = config
        self._lock = threading.Lock()
        self._directory = Path(tempfile.mkdtemp(prefix="tollhouse-opa-"))
        self._process: subprocess.Popen[bytes] | None = None
        self.replaced = 0
        self._remove = weakref.finalize(self, shutil.rmtree, self._directory, ignore_errors=True)

    @property
    def address(self) -> str:
        return f"unix:{self._socket}"

    @property
    def _socket(self) -> Path:
        return self._directory / "opa.sock"

    def ensure(self) -> None:
        with self._lock:
            if self._process is None:
                self._start()
            elif self._process.poll() is not None:
                self.replaced += 1
                self._start()

    def _start(self) -> None:
        self._socket.unlink(missing_ok=True)
        command = [
            str(self._program), "run", "--server", "--v0-compatible", "--disable-telemetry",
            "--skip-version-check", "--log-level", "error", "--addr", f"unix://{self._socket}",
        ]  # fmt: skip
        if self._config is not None:
            command += ["--config-file", str(self._config.resolve())]
        quiet = subprocess.DEVNULL
        try:
            process = subprocess.Popen(
                command, stdin=quiet, stdout=quiet, stderr=quiet, cwd=self._directory,
                env={"HOME": str(self._directory)},
            )  # fmt: skip
        except OSError as error:
            raise EngineUnavailable(f"{self._program} cannot be started") from error
        self._process = process
        self._end = weakref.finalize(self, _end, process)
        self._await(process)

    def _await(self, process: subprocess.Popen[bytes]) -> None:
        end = time.monotonic() + START_S
        while time.monotonic() < end and process.poll() is None:
            with socket.socket(socket.AF_UNIX) as probe:
                if probe.connect_ex(str(self._socket)) == 0:
                    return
            time.sleep(LOOK_S)
        raise EngineUnavailable(f"{self._program} does not start")

    def kill(self) -> None:
        """End it now; `ensure` starts it anew."""
        with self._lock:
            if self._process is not None:
                self._end()

    def close(self) -> None:
        self.kill()
        self._remove()


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
