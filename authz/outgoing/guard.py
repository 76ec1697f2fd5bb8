"""Where calls may go: lists of hosts by name, lists of networks by the addresses connected to."""

import socket
from ipaddress import IPv4Address, IPv6Address, ip_address

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

from authz.outgoing.bounds import Destinations, Network
from authz.outgoing.errors import DestinationRefused

Address = IPv4Address | IPv6Address


class Guard:
    """The rule of `Destinations`."""

    def __init__(self, destinations: Destinations) -> None:
        self._lists = destinations

    def check_host(self, host: str) -> None:
        """Before anything is resolved or connected. Raises DestinationRefused."""
        address = _address(host)
        if address is not None:
            if not self.takes(host, address):
                raise DestinationRefused
        elif _matches(host, self._lists.denied_hosts) or (
            self._lists.allowed_hosts
            and not self._lists.allowed_networks
            and not _matches(host, self._lists.allowed_hosts)
        ):
            raise DestinationRefused

    def takes(self, host: str, address: Address) -> bool:
        """Whether `host` may be reached at `address`."""
        lists = self._lists
        if _matches(host, lists.denied_hosts) or _inside(address, lists.denied_networks):
            return False
        if not lists.allowed_hosts and not lists.allowed_networks:
            return True
        return _matches(host, lists.allowed_hosts) or _inside(address, lists.allowed_networks)


class GuardedResolver(AbstractResolver):
    """Resolves names and gives only the addresses that the guard takes."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self._resolver = ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Raises DestinationRefused when there are addresses, and none may be used."""
        found = await self._resolver.resolve(host, port, family)
        taken = [
            result
            for result in found
            if (address := _address(result["host"])) is not None
            and self._guard.takes(host, address)
        ]
        if found and not taken:
            raise DestinationRefused
        return taken

    async def close(self) -> None:
        await self._resolver.close()


def _address(text: str) -> Address | None:
    """An IPv4 address inside an IPv6 address counts as what it is."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _inside(address: Address, networks: tuple[Network, ...]) -> bool:
    return any(address in network for network in networks)


def _matches(host: str, names: frozenset[str]) -> bool:
    host = host.lower().rstrip(".")
    if host in names:
        return True
    labels = host.split(".")
    return any(f"*.{'.'.join(labels[at:])}" in names for at in range(1, len(labels)))
