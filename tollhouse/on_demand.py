"""Listeners that are opened once there is something to serve, which a reload may bring."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from _fastpath.errors import BindError
from tollhouse.address import Address
from tollhouse.bounded_http import BoundedHttp, Handler
from tollhouse.server_tls import ServerTls

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class OnDemand:
    """One listener, None for the address keeps it shut. `name` is for the log.

    Once open it stays: a proxy that knows it should read an answer, not a refused connection.
    """

    name: str
    address: Address | None
    handler: Handler
    wanted: Callable[[], bool]
    tls: ServerTls | None = None
    server: BoundedHttp | None = field(default=None, init=False)

    async def open(self) -> None:
        """Open it if it is wanted and shut. Raises BindError."""
        if self.address is None or self.server is not None or not self.wanted():
            return
        server = BoundedHttp(self.handler)
        try:
            context = None if self.tls is None else self.tls.context
            logger.info("%s on %s", self.name, await server.start(self.address, context))
        except BindError:
            await server.stop()
            raise
        self.server = server

    async def stop(self) -> None:
        if self.server is not None:
            await self.server.stop()
            self.server = None


class OnDemandListeners:
    """All of a process; used on the event loop."""

    def __init__(self, listeners: Sequence[OnDemand]) -> None:
        self._listeners = tuple(listeners)

    @property
    def tls(self) -> list[ServerTls]:
        """Sources of configuration, like any other."""
        return [listener.tls for listener in self._listeners if listener.tls is not None]

    async def open(self) -> None:
        """At the start, where a taken port ends it. Raises BindError."""
        for listener in self._listeners:
            await listener.open()

    async def look_again(self) -> None:
        """After a reload; what cannot be bound is told and tried again with the next."""
        for listener in self._listeners:
            try:
                await listener.open()
            except BindError as error:
                logger.error("%s: %s", listener.name, error)

    async def stop(self) -> None:
        for listener in self._listeners:
            await listener.stop()
