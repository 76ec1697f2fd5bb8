"""The program of a child process that evaluates policies with rego-cpp.

Started by authz/opa/child.py. It speaks over its standard input, which is a socket. A request is
the length of its body (4 bytes, little endian), an operation, the number of a policy (4 bytes) and
the body; an answer its length, `+`,
`-` or `?` and a body. Bodies are JSON in UTF-8.

    D  define the policy, whose module is the body; answers its rule names
    E  evaluate it for {"input", "static", "answers"}; answers the value of the package, or, with
       the status `?`, the calls of provided built-ins that want an answer
    F  forget it

static: answers by name; answers: pairs of a call, as it was asked, and its answer, {"value": …} or
{} where it is undefined. Nothing of the parent is inherited but this
socket: what a policy can reach here is nothing.
"""

import contextlib
import ctypes
import json
import os
import resource
import shutil
import socket
import struct
import tempfile
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

from regopy import Interpreter, RegoError

from authz.opa.builtins import NATIVE, OPERATORS
from authz.opa.errors import PolicyRefused
from authz.opa.plain_text import original_value, plain_value
from authz.opa.plan import compiled
from authz.opa.policy import PACKAGE

STACK_BYTES = 512 * 1024 * 1024  # of virtual memory; rego-cpp recurses
MOST_MEMORY_BYTES = 1024 * 1024 * 1024
WATCH_S = 0.25
CALL = "call: "
ANSWERS = Path(__file__).with_name("answers.rego").read_text()


class Program:
    """One policy, compiled."""

    def __init__(self, module: str, printed: "Printed") -> None:
        self._printed = printed
        self._rego = Interpreter()
        # Otherwise `x := sum("a")` goes on without a value, which lets callers in.
        self._rego.strict_built_in_errors = True
        self._rego.add_module("answers", ANSWERS)
        self._rego.add_module("policy", module)
        self._bundle = self._rego.build(f"value = data.{PACKAGE}")
        if not self._bundle.ok():
            raise PolicyRefused("rego-cpp cannot compile it")
        with _directory() as place:
            self._rego.save_bundle(place, self._bundle)
            found = compiled(json.loads(Path(place, "plan.json").read_bytes()), PACKAGE)
        foreign = sorted(found.builtins - NATIVE - OPERATORS)
        if foreign:
            raise PolicyRefused(f"{foreign[0]} is not a built-in of this engine")
        if found.unbound:
            raise PolicyRefused(f"rule {found.unbound[0]!r} reads a name that nothing defines")
        self.names = found.names

    def evaluate(self, text: bytes) -> tuple[bytes, bytes]:
        """Status and body. Raises ValueError when there is no result."""
        fractions: list[str] = []
        given = json.loads(text, parse_int=_whole, parse_float=fractions.append)
        if fractions:
            given = json.loads(text, parse_int=_whole)
        answers = {call: plain_value(answer) for call, answer in given["answers"]}
        static = {name: plain_value(value) for name, value in given["static"].items()}
        value = {name: plain_value(part) for name, part in given["input"].items()}
        if fractions:  # exact, where the quicker way rounds to six decimals
            self._rego.set_input_term(_term(value, static, answers))
        else:
            known = {"a": {**static, "d": answers}} if static or answers else {}
            self._rego.set_input({**value, **known})
        result = self._value()
        asked = [call for call in self._printed.calls() if call not in answers]
        if asked:
            return b"?", json.dumps(asked).encode()
        if result is None:
            raise ValueError("the policy could not be evaluated")
        return b"+", _json(original_value(result)).encode()

    def _value(self) -> object:
        """The value of the package; None for an error, such as rules that contradict themselves."""
        try:
            return self._rego.query_bundle(self._bundle)[0]["value"]
        except (ValueError, LookupError):
            return None


class Printed:
    """What policies print. Calls that want an answer begin with CALL."""

    def __init__(self) -> None:
        self._file = os.memfd_create("printed")
        os.dup2(self._file, 1)
        self._c_library = ctypes.CDLL(None)

    def calls(self) -> list[str]:
        """Those that were printed since."""
        self._c_library.fflush(None)
        size = os.fstat(self._file).st_size
        if not size:
            return []
        text = os.pread(self._file, size, 0).decode()
        os.ftruncate(self._file, 0)
        os.lseek(self._file, 0, os.SEEK_SET)
        found = dict.fromkeys(text.split("\n"))  # no other line end is escaped in texts
        return [line.removeprefix(CALL) for line in found if line.startswith(CALL)]


def _term(
    value: Mapping[str, object], static: Mapping[str, object], answers: Mapping[str, object]
) -> str:
    """The input as Rego. Calls are escaped as they were printed; nothing else needs that."""
    asked = ",".join(f'"{call}":{_json(answer)}' for call, answer in answers.items())
    known = "".join(f'"{name}":{_json(answer)},' for name, answer in static.items())
    parts = "".join(f'"{name}":{_json(part)},' for name, part in value.items())
    return f'{{{parts}"a":{{{known}"d":{{{asked}}}}}}}'


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _whole(digits: str) -> int | float:
    """rego-cpp takes 64 bits."""
    fits = len(digits) < 20 and -(2**63) <= int(digits) < 2**63
    return int(digits) if fits else float(digits)


@contextlib.contextmanager
def _directory() -> Iterator[str]:
    place = tempfile.mkdtemp(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None)
    try:
        yield os.path.join(place, "bundle")
    finally:
        shutil.rmtree(place)


class Server:
    """Answers one request after the other."""

    def __init__(self) -> None:
        self._printed = Printed()
        self._programs: dict[int, Program] = {}

    def run(self) -> None:
        """Until the parent goes."""
        channel = socket.socket(fileno=os.dup(0))
        with channel, channel.makefile("rb") as stream:
            while header := stream.read(9):
                size, operation, number = struct.unpack("<IcI", header)
                answer = self._answer(operation, number, stream.read(size))
                channel.sendall(struct.pack("<I", len(answer)) + answer)

    def _answer(self, operation: bytes, number: int, body: bytes) -> bytes:
        try:
            return b"".join(self._carried_out(operation, number, body))
        except (PolicyRefused, ValueError, KeyError, RecursionError) as error:
            return b"-" + str(error).encode(errors="replace")
        except RegoError as error:
            return b"-rego-cpp refuses it: " + _message(str(error)).encode()

    def _carried_out(self, operation: bytes, number: int, body: bytes) -> tuple[bytes, bytes]:
        if operation == b"D":
            program = Program(body.decode(), self._printed)
            self._programs[number] = program
            return b"+", json.dumps(program.names).encode()
        if operation == b"E":
            return self._programs[number].evaluate(body)
        self._programs.pop(number, None)
        return b"+", b""


def _message(text: str) -> str:
    """Out of rego-cpp's error tree."""
    _, found, rest = text.partition("(errormsg ")
    return rest.partition(":")[2].partition(")")[0] if found else "it is no policy"


def _resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def main() -> None:
    """Ends the process when it has grown too large: no resource limit sees that, since rego-cpp's
    allocator reserves its address space beforehand."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    threading.stack_size(STACK_BYTES)
    thread = threading.Thread(target=Server().run)
    thread.start()
    while thread.is_alive():
        thread.join(WATCH_S)
        if _resident_bytes() > MOST_MEMORY_BYTES:
            os._exit(1)
