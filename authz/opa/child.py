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
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from authz.opa.errors import EngineUnavailable, EvaluationFailed, RegoError

MOST_ANSWER_BYTES = 16 * 1024 * 1024
READ_BYTES = 65536
ENDED = "the policy ended its engine"
TOO_LONG = "the policy took too long"
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
    """defined: the numbers of the policies that it knows. ended: it is of no use any more.

    One question at a time, either with `ask` on an event loop or with `ask_now`.
    """

    def __init__(self) -> None:
        self._socket, theirs = socket.socketpair()
        command = [sys.executable, "-I", "-B", "-c", _PROGRAM, str(_ROOT)]
        quiet = subprocess.DEVNULL
        with theirs:
            self._process = subprocess.Popen(
                command, stdin=theirs.fileno(), stdout=quiet, stderr=quiet, env={}, cwd="/"
            )
        self._question: _Question | None = None
        self._end = weakref.finalize(self, _end, self._socket, self._process)
        self.defined: set[int] = set()
        self.ended = False

    def ask(
        self,
        operation: bytes,
        number: int,
        body: bytes,
        limit_s: float,
        finished: Callable[["Child"], None],
    ) -> asyncio.Future[Answer]:
        """The answer, or an error of authz.opa.errors. Past the limit the child is killed.

        `finished` is called when the child has answered or ended, also if nobody waits any more.
        """
        loop = asyncio.get_running_loop()
        frame = memoryview(_frame(operation, number, body))
        alarm = loop.call_later(limit_s, self.fail, EvaluationFailed(TOO_LONG))
        future: asyncio.Future[Answer] = loop.create_future()
        self._question = _Question(loop, future, alarm, finished, frame)
        try:
            self._socket.setblocking(False)
            loop.add_reader(self._socket.fileno(), self._read)
        except (OSError, ValueError):
            self.fail(EngineUnavailable(ENDED))
        else:
            self._write()
        return future

    def _write(self) -> None:
        question = self._question
        if question is None:
            return
        try:
            question.unsent = question.unsent[self._socket.send(question.unsent) :]
        except BlockingIOError:
            pass
        except OSError:
            self.fail(EngineUnavailable(ENDED))
            return
        if question.unsent and not question.writes:
            question.writes = True
            question.loop.add_writer(self._socket.fileno(), self._write)
        elif question.writes and not question.unsent:
            question.writes = False
            question.loop.remove_writer(self._socket.fileno())

    def _read(self) -> None:
        question = self._question
        if question is None:
            return
        try:
            question.received += _more(self._socket.recv(READ_BYTES))
            if _missing(question.received) > 0:
                return
        except BlockingIOError:
            return
        except OSError:
            self.fail(EngineUnavailable(ENDED))
            return
        except EngineUnavailable as error:
            self.fail(error)
            return
        self._settle()
        if not question.future.done():
            question.future.set_result(_answer(question.received))

    def fail(self, error: RegoError) -> None:
        """End it; who waits for its answer gets the error."""
        question = self._question
        self.ended = True
        self._settle()
        self.kill()
        if question is not None and not question.future.done():
            question.future.set_exception(error)

    def _settle(self) -> None:
        question, self._question = self._question, None
        if question is None:
            return
        question.alarm.cancel()
        descriptor = self._socket.fileno()
        if descriptor >= 0:
            question.loop.remove_reader(descriptor)
            if question.writes:
                question.loop.remove_writer(descriptor)
        question.finished(self)

    def ask_now(self, operation: bytes, number: int, body: bytes, timeout_s: float) -> Answer:
        """As `ask`, for threads without an event loop. Raises EngineUnavailable."""
        received = bytearray()
        try:
            self._socket.settimeout(timeout_s)
            self._socket.sendall(_frame(operation, number, body))
            while _missing(received) > 0:
                received += _more(self._socket.recv(READ_BYTES))
        except OSError as error:
            raise EngineUnavailable(ENDED) from error
        return _answer(received)

    def kill(self) -> None:
        """It also ends with this object."""
        self._end()


@dataclass(slots=True)
class _Question:
    """What a child is asked now. writes: more of it is to be sent when there is room."""

    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Answer]
    alarm: asyncio.TimerHandle
    finished: Callable[[Child], None]
    unsent: memoryview
    writes: bool = False
    received: bytearray = field(default_factory=bytearray)


def _answer(received: bytearray) -> Answer:
    return Answer(bytes(received[4:5]), bytes(received[5:]))


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
        raise EngineUnavailable(ENDED)
    return part
