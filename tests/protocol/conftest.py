"""A server of either transport on the test's event loop, and a grpcio client to it."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import grpc
import grpc.aio
import pytest

from _fastpath.bounds import Bounds
from _fastpath.rpc import Method
from tollhouse.settings import Transport
from tollhouse.transport import GrpcServer, open_server

Serve = Callable[..., Awaitable["Served"]]


class Served:
    """A running server with its first address."""

    def __init__(self, server: GrpcServer, address: str) -> None:
        self.server = server
        self.address = address
        self.drained = False

    async def drain(self, grace_s: float) -> None:
        self.drained = True
        await self.server.drain(grace_s)


@pytest.fixture(params=list(Transport))
def transport(request: pytest.FixtureRequest) -> Transport:
    kind: Transport = request.param
    return kind


@pytest.fixture
async def serve(transport: Transport) -> AsyncIterator[Serve]:
    running: list[Served] = []

    async def start(
        methods: Sequence[Method], *, address: str = "127.0.0.1:0", bounds: Bounds | None = None
    ) -> Served:
        server = open_server(transport, methods, threads=1, bounds=bounds or Bounds())
        bound = server.listen(address)
        started = server.start()
        if started is not None:
            await started
        running.append(Served(server, bound))
        return running[-1]

    yield start
    for served in running:
        if not served.drained:
            await served.drain(0)


@pytest.fixture
async def connect() -> AsyncIterator[Callable[[str], grpc.aio.Channel]]:
    channels: list[grpc.aio.Channel] = []

    def open_channel(address: str) -> grpc.aio.Channel:
        # A subchannel pool of its own: tests must not share connections.
        options = [("grpc.use_local_subchannel_pool", 1), ("grpc.max_receive_message_length", -1)]
        channels.append(grpc.aio.insecure_channel(address, options=options))
        return channels[-1]

    yield open_channel
    for channel in channels:
        await channel.close()
