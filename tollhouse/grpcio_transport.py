"""The second transport: the same methods hosted on grpcio's asyncio server.

Native handlers are called on the event loop, under the interpreter lock; what they defer goes to
the Python handler of the method with the clocks they saw. grpcio itself speaks HTTP/2, keeps
deadlines and cancels handlers.
"""

import logging
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import replace
from typing import Any

import grpc
import grpc.aio

from _fastpath.bounds import Bounds
from _fastpath.errors import BindError
from _fastpath.handler import NativeHandler
from _fastpath.rpc import (
    Metadata,
    Method,
    RpcError,
    Status,
    StreamHandler,
    StreamMethod,
    UnaryMethod,
)
from tollhouse.address import Address
from tollhouse.binding import ensure_free, remove_socket

logger = logging.getLogger(__name__)

_CODES = {code.value[0]: code for code in grpc.StatusCode}

_ServicerContext = grpc.aio.ServicerContext[bytes, bytes]


class GrpcioServer:
    """Same life as `_fastpath.server.Server`: listen, start, drain.

    Made and used on a running event loop. `threads` is accepted for the sake of the same signature;
    everything runs on the loop. Of the bounds only those that grpcio can keep are kept: message
    size, header list size, streams per connection.
    """

    def __init__(self, methods: Sequence[Method], *, threads: int, bounds: Bounds) -> None:
        self._counts = {"calls": 0, "failures": 0}
        self._sockets: list[str] = []
        self._server = grpc.aio.server(
            options=(
                ("grpc.so_reuseport", 0),  # or a second process would share the port unnoticed
                ("grpc.max_receive_message_length", bounds.message_bytes),
                ("grpc.max_send_message_length", -1),
                ("grpc.max_metadata_size", bounds.header_list_bytes),
                ("grpc.absolute_max_metadata_size", bounds.header_list_bytes),
                ("grpc.max_concurrent_streams", bounds.concurrent_streams),
            )
        )
        self._server.add_generic_rpc_handlers((_Methods(methods, self._counts),))

    def listen(self, address: str) -> str:
        """Bind "HOST:PORT", "[v6]:PORT" or "unix:PATH"; returns the bound address.

        Raises BindError.
        """
        place = Address.parse(address)
        if place is None:
            raise BindError("cannot listen on none")
        ensure_free(place)
        try:
            port = self._server.add_insecure_port(address)
        except RuntimeError as error:
            raise BindError(f"cannot listen on {address}: grpcio refuses it") from error
        if place.path is not None:
            self._sockets.append(place.path)
            return address
        return str(replace(place, port=port))

    async def start(self) -> None:
        await self._server.start()

    async def drain(self, grace_s: float) -> None:
        """Refuse new calls, let running ones finish for `grace_s`, then cancel the rest."""
        await self._server.stop(grace_s)
        for path in self._sockets:
            remove_socket(path)

    def stats(self) -> dict[str, int]:
        """Counts since the start: calls, and those ended by an error of ours (`failures`)."""
        return dict(self._counts)


class _Methods(grpc.GenericRpcHandler):  # type: ignore[type-arg]
    def __init__(self, methods: Iterable[Method], counts: dict[str, int]) -> None:
        self._handlers: dict[str, Any] = {}
        for method in methods:
            if isinstance(method, StreamMethod):
                handler = grpc.stream_stream_rpc_method_handler(
                    _streaming(method.handler, method.path, counts)
                )
            else:
                handler = grpc.unary_unary_rpc_method_handler(_unary(method, counts))
            self._handlers[method.path] = handler

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        return self._handlers.get(handler_call_details.method)


def _unary(method: UnaryMethod, counts: dict[str, int]) -> Any:
    async def call(request: bytes, servicer: _ServicerContext) -> bytes:
        counts["calls"] += 1
        context = GrpcioContext(servicer)
        try:
            if method.native is not None:
                answer = await _natively(method.native, request, context)
                if answer is not None:
                    return answer
            response = await method.handler(request, context)
        except RpcError as error:
            await servicer.abort(_CODES[error.status], error.message, context.trailing)
        except Exception:  # noqa: BLE001 - the edge of all handlers
            await _abort_failed(servicer, method.path, counts)
        servicer.set_trailing_metadata(context.trailing)
        return response

    return call


async def _natively(
    native: NativeHandler, request: bytes, context: "GrpcioContext"
) -> bytes | None:
    """The native answer, or None when the method's Python handler has to decide."""
    outcome, message, status, detail, context.generation = await native.decide(
        request, context.mono_ns, context.wall_ns
    )
    if outcome != "answer":
        return None
    if status != Status.OK:
        raise RpcError(Status(status), detail)
    return message


def _streaming(handler: StreamHandler, path: str, counts: dict[str, int]) -> Any:
    async def call(
        requests: AsyncIterator[bytes], servicer: _ServicerContext
    ) -> AsyncIterator[bytes]:
        counts["calls"] += 1
        context = GrpcioContext(servicer)
        try:
            async for response in handler(requests, context):
                yield response
        except RpcError as error:
            await servicer.abort(_CODES[error.status], error.message, context.trailing)
        except Exception:  # noqa: BLE001 - the edge of all handlers
            await _abort_failed(servicer, path, counts)
        servicer.set_trailing_metadata(context.trailing)

    return call


async def _abort_failed(servicer: _ServicerContext, path: str, counts: dict[str, int]) -> None:
    counts["failures"] += 1
    logger.exception("%s failed", path)
    await servicer.abort(grpc.StatusCode.INTERNAL, "internal error")


class GrpcioContext:
    """`_fastpath.rpc.Context` over grpcio's."""

    __slots__ = (
        "deadline_ns",
        "generation",
        "metadata",
        "mono_ns",
        "peer",
        "trailing",
        "wall_ns",
    )

    def __init__(self, servicer: _ServicerContext) -> None:
        self.mono_ns = time.monotonic_ns()
        self.wall_ns = time.time_ns()
        self.generation = 0
        self.metadata: Metadata = tuple(
            (key, value) for key, value in servicer.invocation_metadata() or ()
        )
        # The stubs leave out that there may be none.
        remaining: Any = servicer.time_remaining()
        self.deadline_ns: int | None = None
        if remaining is not None:
            self.deadline_ns = self.mono_ns + int(remaining * 1e9)
        self.peer = servicer.peer()
        self.trailing: Metadata = ()

    def set_trailing_metadata(self, metadata: Metadata) -> None:
        self.trailing = metadata
