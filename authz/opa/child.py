"""A child process that evaluates policies; see authz/opa/worker.py for its protocol.

A process, since rego-cpp can neither be stopped nor trusted to survive: a long text ends it, a
regular expression can take minutes. Nor may it be loaded where RE2 is: it brings a C++ library and
an allocator that break the one that is there. The child inherits no environment and no open file.
"""

import asyncio
import socket
import struct
import subprocess
import sys
import weakref
from dataclasses import dataclass
from pathlib import Path

from authz.opa.errors import EngineUnavailable

MOST_ANSWER_BYTES = 16 * 1024 * 1024
_ROOT = Path(__file__).resolve().parents[2]
_PROGRAM = "import sys; sys.path.append(sys.argv[1]); from authz.opa.worker import main; main()"
_HEADER = struct.Struct("<IcI")


@dataclass(frozen=True, slots=True)
class Answer:
    """status: `+`, `-` or `?`, as authz/opa/worker.py has it."""

    status: bytes
    body: bytes

    @property
    def succeeded(self) -> bool:
        return self.status == b"+"


class Child:
    """defined: the numbers of the policies that it knows. For one caller at a time."""

    def __init__(self) -> None:
        self._socket, theirs = socket.socketpair()
        command = [sys.executable, "-I", "-B", "-c", _PROGRAM, str(_ROOT)]
        quiet = subprocess.DEVNULL
        with theirs:
            self._process = subprocess.Popen(
                command, stdin=theirs.fileno(), stdout=quiet, stderr=quiet, env={}, cwd="/"
            )
        self.defined: set[int] = set()
        self._end = weakref.finalize(self, _end, self._socket, self._process)

    async def ask(self, operation: bytes, number: int, body: bytes) -> Answer:
        """Raises EngineUnavailable."""
        loop = asyncio.get_running_loop()
        received = bytearray()
        try:
            self._socket.setblocking(False)
            await loop.sock_sendall(self._socket, _frame(operation, number, body))
            while (missing := _missing(received)) > 0:
                part = await loop.sock_recv(self._socket, max(missing, 65536))
                received += _more(part)
        except OSError as error:
            raise EngineUnavailable("the policy ended its engine") from error
        return Answer(bytes(received[4:5]), bytes(received[5:]))

    def ask_now(self, operation: bytes, number: int, body: bytes, timeout_s: float) -> Answer:
        """As `ask`, for threads without an event loop."""
        received = bytearray()
        try:
            self._socket.settimeout(timeout_s)
            self._socket.sendall(_frame(operation, number, body))
            while (missing := _missing(received)) > 0:
                received += _more(self._socket.recv(max(missing, 65536)))
        except OSError as error:
            raise EngineUnavailable("the policy ended its engine") from error
        return Answer(bytes(received[4:5]), bytes(received[5:]))

    def kill(self) -> None:
        """It also ends with this object."""
        self._end()


def _end(channel: socket.socket, process: subprocess.Popen[bytes]) -> None:
    channel.close()
    process.kill()
    process.wait()


def _frame(operation: bytes, number: int, body: bytes) -> bytes:
    return _HEADER.pack(len(body), operation, number) + body


def _missing(received: bytearray) -> int:
    """Bytes of the answer that are still to come. Raises EngineUnavailable."""
    if len(received) < 4:
        return 4 - len(received)
    size = int.from_bytes(received[:4], "little")
    if size > MOST_ANSWER_BYTES:
        raise EngineUnavailable("the result of the policy is too large")
    return 4 + size - len(received)


def _more(part: bytes) -> bytes:
    if not part:
        raise EngineUnavailable("the policy ended its engine")
    return part
