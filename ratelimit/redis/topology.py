"""Where keys live: one server, the master that Sentinels name, or the nodes of a Cluster."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

from redis.asyncio.sentinel import MasterNotFoundError, Sentinel
from redis.crc import key_slot
from redis.exceptions import RedisError, ResponseError

from ratelimit.redis.fault import Fault, RedisFault, fault_of
from ratelimit.redis.link import Link, connection_arguments
from ratelimit.redis.settings import Address, RedisSettings, TopologyKind
from ratelimit.redis.wire import command

SLOTS = 16384


class Topology(Protocol):
    """Asked on the event loop, by one task at a time."""

    @property
    def masters(self) -> Sequence[Address]:
        """As last learned; empty before the first time."""

    async def refresh(self) -> None:
        """Learn it anew. Raises RedisFault, and knows what it knew then."""

    def place(self, tag: bytes) -> Address | None:
        """The master that holds the keys with this tag; None if no node is known to."""

    def moved(self, tag: bytes, address: Address) -> None:
        """A node said that the keys with this tag live there."""


class Standalone:
    def __init__(self, settings: RedisSettings) -> None:
        self.masters: Sequence[Address] = settings.parsed().addresses

    async def refresh(self) -> None:
        pass

    def place(self, tag: bytes) -> Address | None:
        return self.masters[0]

    def moved(self, tag: bytes, address: Address) -> None:
        pass


class Sentinels:
    def __init__(self, settings: RedisSettings) -> None:
        self.masters: Sequence[Address] = ()
        self._settings = settings

    async def refresh(self) -> None:
        url = self._settings.parsed()
        seconds = self._settings.connect_timeout_seconds
        arguments = connection_arguments(self._settings, sentinel=True)
        sentinel = Sentinel(
            url.addresses,
            sentinel_kwargs={**arguments, "ssl": url.tls, "socket_timeout": seconds},
        )
        try:
            async with asyncio.timeout(seconds * len(url.addresses)):
                host, port = await sentinel.discover_master(url.master)
        except MasterNotFoundError as error:
            detail = f"no Sentinel names a master {url.master!r}"
            raise RedisFault(Fault.CONNECTION, detail) from error
        except (RedisError, OSError, TimeoutError) as error:
            raise fault_of(error) from error
        finally:
            for client in sentinel.sentinels:
                await client.aclose()
        self.masters = (Address(host, port),)

    def place(self, tag: bytes) -> Address | None:
        return self.masters[0] if self.masters else None

    def moved(self, tag: bytes, address: Address) -> None:
        pass


class Cluster:
    def __init__(self, settings: RedisSettings) -> None:
        self.masters: Sequence[Address] = ()
        self._settings = settings
        self._slots: list[Address | None] = [None] * SLOTS
        self._tags: dict[bytes, int] = {}

    async def refresh(self) -> None:
        """Asks the nodes known last, then those of the URL, until one answers."""
        first = self._settings.parsed().addresses
        fault = RedisFault(Fault.CLUSTER, "no node answered")
        for address in dict.fromkeys((*self.masters, *first)):
            try:
                self._learn(address, await self._asked(address))
            except RedisFault as error:
                fault = error
            else:
                return
        raise fault

    async def _asked(self, address: Address) -> object:
        link = Link(self._settings, address)
        try:
            async with asyncio.timeout(self._settings.connect_timeout_seconds):
                await link.connect()
                (reply,) = await link.exchange([command(b"CLUSTER", b"SLOTS")])
        except (RedisError, OSError, TimeoutError) as error:
            raise fault_of(error) from error
        finally:
            await link.close()
        if isinstance(reply, ResponseError):
            raise fault_of(reply)
        return reply

    def _learn(self, asked: Address, reply: object) -> None:
        slots: list[Address | None] = [None] * SLOTS
        if not isinstance(reply, list):
            raise RedisFault(Fault.CLUSTER, "CLUSTER SLOTS gave no list")
        try:
            for first, last, (host, port, *_), *_ in reply:
                # A host that is empty or "?" is not known to itself: it is the one that was asked.
                known = (host or b"").decode().strip("?")
                address = Address(known or asked.host, port)
                slots[first : last + 1] = [address] * (last + 1 - first)
        except (ValueError, TypeError, AttributeError) as error:
            raise RedisFault(Fault.CLUSTER, "CLUSTER SLOTS gave no list of slots") from error
        masters = sorted({address for address in slots if address is not None})
        if not masters:
            raise RedisFault(Fault.CLUSTER, "the Cluster serves no slot")
        self._slots, self.masters = slots, tuple(masters)

    def place(self, tag: bytes) -> Address | None:
        return self._slots[self._slot(tag)]

    def moved(self, tag: bytes, address: Address) -> None:
        self._slots[self._slot(tag)] = address

    def _slot(self, tag: bytes) -> int:
        slot = self._tags.get(tag)
        if slot is None:
            if len(self._tags) >= 4 * SLOTS:
                self._tags.clear()
            slot = self._tags[tag] = key_slot(tag)
        return slot


def topology(settings: RedisSettings) -> Topology:
    kinds: dict[TopologyKind, Callable[[RedisSettings], Topology]] = {
        TopologyKind.STANDALONE: Standalone,
        TopologyKind.SENTINEL: Sentinels,
        TopologyKind.CLUSTER: Cluster,
    }
    return kinds[settings.parsed().kind](settings)
