"""What is kept of a destination (a scheme, host and port): its turns and its circuit."""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from yarl import URL

from authz.outgoing.bounds import OutgoingBounds
from authz.outgoing.circuit import Circuit
from authz.outgoing.errors import CircuitOpen, DestinationBusy

Name = tuple[str, str, int]


class Destination:
    """At most so many calls at a time; more wait in order, and too many are refused."""

    def __init__(self, name: Name, bounds: OutgoingBounds) -> None:
        self.name = name
        self.circuit = Circuit(bounds.circuit)
        self._slots = asyncio.Semaphore(bounds.per_destination)
        self._most = bounds.per_destination + bounds.waiting
        self._calls = 0

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """A call's time with the destination. Raises CircuitOpen or DestinationBusy at once."""
        if self._calls >= self._most:
            raise DestinationBusy
        self._calls += 1
        try:
            async with self._slots:
                if not self.circuit.admits(asyncio.get_running_loop().time()):
                    raise CircuitOpen
                yield
        finally:
            self._calls -= 1

    def is_idle(self) -> bool:
        return self._calls == 0


class DestinationTable:
    """Bounded: callers may choose destinations through placeholders."""

    def __init__(self, bounds: OutgoingBounds) -> None:
        self._bounds = bounds
        self._known: OrderedDict[Name, Destination] = OrderedDict()
        self._opened_before = 0

    def find(self, url: URL) -> Destination:
        """Raises DestinationBusy when all that can be remembered are being called."""
        name = url.scheme, url.raw_host or "", url.port or 0
        found = self._known.get(name)
        if found is None:
            self._make_room()
            found = self._known[name] = Destination(name, self._bounds)
        self._known.move_to_end(name)
        return found

    def __len__(self) -> int:
        return len(self._known)

    def open_circuits(self) -> list[Name]:
        return [name for name, found in self._known.items() if found.circuit.is_open()]

    def opened(self) -> int:
        """How often circuits opened so far."""
        return self._opened_before + sum(found.circuit.opened for found in self._known.values())

    def _make_room(self) -> None:
        """The one unused for the longest time goes, one without trouble first."""
        if len(self._known) < self._bounds.destinations:
            return
        idle = [name for name, found in self._known.items() if found.is_idle()]
        calm = (name for name in idle if self._known[name].circuit.is_untroubled())
        chosen = next(calm, idle[0] if idle else None)
        if chosen is None:
            raise DestinationBusy
        self._opened_before += self._known.pop(chosen).circuit.opened
