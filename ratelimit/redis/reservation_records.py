"""Reservations on Redis, so that a commit finds them at any replica.

`th:r:<identifier>` holds one record, for as long as it may matter. A few kept connections, each
with one question at a time: callers reserve for requests that take seconds.
"""

import asyncio

import msgspec
from redis.exceptions import RedisError

from ratelimit.errors import StoreUnavailable
from ratelimit.redis.fault import RedisFault, fault_of
from ratelimit.redis.link import Link
from ratelimit.redis.settings import Address, RedisSettings
from ratelimit.redis.topology import Topology
from ratelimit.redis.wire import command
from ratelimit.reservations import Reservation

PREFIX = "th:r:"
LINGER_SECONDS = 60.0  # past its end a record waits for whoever gives the hits back
LONGEST_IDENTIFIER = 64

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Reservation).decode


class RedisRecords:
    """Used on the event loop, between the start and the stop of the store on the same Redis."""

    def __init__(self, settings: RedisSettings, topology: Topology) -> None:
        self._settings = settings
        self._topology = topology
        self._links: dict[Address, Link] = {}
        self._turns: dict[Address, asyncio.Lock] = {}

    async def put(self, identifier: str, reservation: Reservation, ttl_seconds: float) -> None:
        milliseconds = int((ttl_seconds + LINGER_SECONDS) * 1000)
        value = _encode(reservation)
        await self._ask(identifier, b"SET", value, b"PX", b"%d" % milliseconds)

    async def take(self, identifier: str) -> Reservation | None:
        if len(identifier) > LONGEST_IDENTIFIER:
            return None
        found = await self._ask(identifier, b"GETDEL")
        if not isinstance(found, bytes):
            return None
        try:
            return _decode(found)
        except msgspec.DecodeError as error:
            raise StoreUnavailable("Redis: a reservation is not readable") from error

    async def stop(self) -> None:
        for link in self._links.values():
            await link.close()
        self._links.clear()

    async def _ask(self, identifier: str, name: bytes, *more: bytes) -> object:
        """The reply to one command over the record's key. Raises StoreUnavailable."""
        key = (PREFIX + identifier).encode()
        address = self._topology.place(key)
        if address is None:
            raise StoreUnavailable("Redis: no master is known")
        async with self._turns.setdefault(address, asyncio.Lock()):
            try:
                async with asyncio.timeout(self._settings.connect_timeout_seconds):
                    link = await self._link(address)
                    (reply,) = await link.exchange([command(name, key, *more)])
                if isinstance(reply, Exception):
                    raise reply
                return reply
            except (RedisFault, RedisError, OSError, TimeoutError) as error:
                await self._drop(address)
                fault = error if isinstance(error, RedisFault) else fault_of(error)
                raise StoreUnavailable(f"Redis: {fault.detail}") from error

    async def _link(self, address: Address) -> Link:
        if address not in self._links:
            self._links[address] = Link(self._settings, address)
            await self._links[address].connect()
        return self._links[address]

    async def _drop(self, address: Address) -> None:
        link = self._links.pop(address, None)
        if link is not None:
            await link.close()
