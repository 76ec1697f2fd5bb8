"""TLS for a gRPC listener: ended here, on the event loop, and handed on to the server in plain.

The server listens on a Unix socket that this user alone can reach, so its transport, its lanes and
its bounds are the same with TLS and without. The price is a pass of each byte through the loop.
"""

import asyncio
import contextlib
import shutil
import tempfile
from typing import Any

from _fastpath.errors import BindError
from tollhouse.address import Address
from tollhouse.binding import ensure_free
from tollhouse.server_tls import ServerTls

HANDSHAKE_SECONDS = 5.0
SHUTDOWN_SECONDS = 5.0  # for a peer to take what is left, and to say goodbye
ALPN = ("h2",)  # as gRPC asks for


class _End(asyncio.Protocol):
    """One side of a connection; what arrives here is written to the other side."""

    def __init__(self, other: "_End | None" = None) -> None:
        self.other = other
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.write(data)

    def pause_writing(self) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.resume_reading()

    def connection_lost(self, error: Exception | None) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.close()


class _Outside(_End):
    """The side of the peer. Nothing is read of it before the other side is connected."""

    def __init__(self, front: "TlsFront") -> None:
        super().__init__()
        self._front = front
        self._connecting: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        assert self.transport is not None
        if not self._front.take(self):
            self.transport.abort()
            return
        self.transport.pause_reading()
        self._connecting = asyncio.create_task(self._connect(self.transport))

    async def _connect(self, transport: asyncio.Transport) -> None:
        loop = asyncio.get_running_loop()
        try:
            _, self.other = await loop.create_unix_connection(lambda: _End(self), self._front.path)
        except OSError:
            transport.abort()
        else:
            transport.resume_reading()

    def connection_lost(self, error: Exception | None) -> None:
        self._front.let_go(self)
        if self._connecting is not None:
            self._connecting.cancel()
        super().connection_lost(error)


class TlsFront:
    """Made and used on the event loop. `path`: where the server has to listen.

    connections: at once; a further one is closed after its handshake.
    """

    def __init__(self, address: Address, tls: ServerTls, connections: int) -> None:
        self.tls = tls
        self._address = address
        self._most = connections
        self._open: set[_Outside] = set()
        self._empty = asyncio.Event()
        self._empty.set()
        self._listener: asyncio.Server | None = None
        self._folder = tempfile.mkdtemp(prefix="tollhouse-")
        self.path = f"{self._folder}/grpc.sock"

    async def bind(self) -> str:
        """Returns the bound address; connections are taken from `accept` on. Raises BindError."""
        address, loop = self._address, asyncio.get_running_loop()
        ensure_free(address)
        how: dict[str, Any] = {
            "ssl": self.tls.context,
            "ssl_handshake_timeout": HANDSHAKE_SECONDS,
            "ssl_shutdown_timeout": SHUTDOWN_SECONDS,
            "start_serving": False,
        }

        def side() -> _Outside:
            return _Outside(self)

        try:
            if address.path is not None:
                self._listener = await loop.create_unix_server(side, address.path, **how)
                return str(address)
            self._listener = await loop.create_server(side, address.host, address.port, **how)
        except OSError as error:
            raise BindError(f"cannot listen on {address}: {error.strerror or error}") from error
        host, port = self._listener.sockets[0].getsockname()[:2]
        return str(Address(host, port))

    async def accept(self) -> None:
        """Take connections; the server is started."""
        if self._listener is not None:
            await self._listener.start_serving()

    def close_listener(self) -> None:
        """Take no more connections; those that are open go on."""
        if self._listener is not None:
            self._listener.close()

    async def stop(self) -> None:
        """End what is open; the server has drained and closed its side."""
        self.close_listener()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SHUTDOWN_SECONDS):
                await self._empty.wait()
        for side in tuple(self._open):
            if side.transport is not None:
                side.transport.abort()
        await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)

    def take(self, side: _Outside) -> bool:
        if len(self._open) >= self._most:
            return False
        self._open.add(side)
        self._empty.clear()
        return True

    def let_go(self, side: _Outside) -> None:
        self._open.discard(side)
        if not self._open:
            self._empty.set()
