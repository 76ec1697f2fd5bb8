"""The gRPC service surface that every transport hosts: methods over bytes, with one context."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

from _fastpath.handler import NativeHandler

Metadata = tuple[tuple[str, str | bytes], ...]


class Status(IntEnum):
    """gRPC status codes, as numbered by the gRPC specification."""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


class RpcError(Exception):
    """Raised by a handler to end its call with a status; the message reaches the caller."""

    def __init__(self, status: Status, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class Context(Protocol):
    """What a Python handler knows of its call. Used on the event loop only.

    metadata: names in lower case; values of `-bin` names are decoded bytes.
    deadline_ns: CLOCK_MONOTONIC; None when the caller set none.
    mono_ns, wall_ns: the clocks read when the request arrived; a deferred request keeps those the
    native handler saw.
    generation: of the plan that deferred the request; 0 when no native handler saw it.
    """

    metadata: Metadata
    deadline_ns: int | None
    mono_ns: int
    wall_ns: int
    generation: int
    peer: str

    def set_trailing_metadata(self, metadata: Metadata) -> None:
        """Send these after the answer."""


UnaryHandler = Callable[[bytes, Context], Awaitable[bytes]]
StreamHandler = Callable[[AsyncIterator[bytes], Context], AsyncIterator[bytes]]


@dataclass(frozen=True, slots=True)
class UnaryMethod:
    """`path` is "/package.Service/Method". With `native`, `handler` gets what that defers.

    overload: encoded answer for when too many calls wait for Python; empty answers UNAVAILABLE.
    """

    path: str
    handler: UnaryHandler
    native: NativeHandler | None = None
    overload: bytes = b""


@dataclass(frozen=True, slots=True)
class StreamMethod:
    """Streaming in both directions; a server-streaming method reads one request."""

    path: str
    handler: StreamHandler


Method = UnaryMethod | StreamMethod
