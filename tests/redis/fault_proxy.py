"""A TCP proxy between a store and its Redis that can make every fault a network makes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tests.redis.servers import free_port


@dataclass
class FaultProxy:
    """Settings count from the next bytes on.

    delay_seconds: before each piece of a reply. cut_after: replies end
    after so many bytes more, with the connection. connections: accepted since the start.
    """

    target_port: int
    port: int = field(default_factory=free_port)
    delay_seconds: float = 0.0
    cut_after: int | None = None
    connections: int = 0
    _flowing: asyncio.Event = field(default_factory=asyncio.Event)
    _open: set[asyncio.StreamWriter] = field(default_factory=set)
    _server: asyncio.Server | None = None
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    def hang(self) -> None:
        """Hold replies back, until `flow`."""
        self._flowing.clear()

    def flow(self) -> None:
        self._flowing.set()

    async def listen(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)

    async def refuse(self) -> None:
        """Close everything; connecting fails until `listen`."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self.drop()

    def drop(self) -> None:
        """Close what is open."""
        for writer in self._open:
            writer.transport.abort()
        self._open.clear()

    async def close(self) -> None:
        await self.refuse()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.sleep(0)  # aborted transports close their sockets

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._keep(asyncio.current_task())
        try:
            behind = await asyncio.open_connection("127.0.0.1", self.target_port)
        except OSError:
            writer.close()
            return
        if self._server is None:  # closed meanwhile
            writer.transport.abort()
            behind[1].transport.abort()
            return
        self._open |= {writer, behind[1]}
        self._keep(asyncio.create_task(self._carry(reader, behind[1], reply=False)))
        self._keep(asyncio.create_task(self._carry(behind[0], writer, reply=True)))

    def _keep(self, task: asyncio.Task[None] | None) -> None:
        """Until it ends or the proxy is closed."""
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _carry(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, reply: bool
    ) -> None:
        try:
            while data := await reader.read(65536):
                if reply:
                    data = await self._spoiled(data)
                writer.write(data)
                await writer.drain()
                if reply and self.cut_after == 0:
                    self.cut_after = None
                    break
        except OSError:
            pass
        finally:
            writer.close()

    async def _spoiled(self, data: bytes) -> bytes:
        if self.delay_seconds:
            await asyncio.sleep(self.delay_seconds)
        await self._flowing.wait()
        if self.cut_after is not None:
            data = data[: self.cut_after]
            self.cut_after -= len(data)
        return data


@asynccontextmanager
async def proxied(target_port: int) -> AsyncIterator[FaultProxy]:
    proxy = FaultProxy(target_port)
    proxy.flow()
    await proxy.listen()
    try:
        yield proxy
    finally:
        await proxy.close()
