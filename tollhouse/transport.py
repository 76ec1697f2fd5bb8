"""The transports that can host the gRPC methods."""

from collections.abc import Awaitable, Sequence
from importlib import import_module
from typing import Protocol

from _fastpath.bounds import Bounds
from _fastpath.rpc import Method
from _fastpath.server import Server
from tollhouse.settings import Transport


class GrpcServer(Protocol):
    """What both transports offer. Used on the event loop."""

    def listen(self, address: str) -> str:
        """Bind, before the start; returns the bound address. Raises BindError."""

    def start(self) -> Awaitable[None] | None:
        """Serve from now on; an awaitable has to be awaited."""

    async def drain(self, grace_s: float) -> None:
        """Refuse new calls, let running ones finish for so many seconds, stop."""

    def stats(self) -> dict[str, int]:
        """Counts since the start, and what is held now."""


def open_server(
    transport: Transport, methods: Sequence[Method], *, threads: int, bounds: Bounds
) -> GrpcServer:
    if transport is Transport.GRPCIO:
        # Few ask for it, and grpcio is large.
        module = import_module("tollhouse.grpcio_transport")
        opened: GrpcServer = module.GrpcioServer(methods, threads=threads, bounds=bounds)
        return opened
    return Server(methods, threads=threads, bounds=bounds)
