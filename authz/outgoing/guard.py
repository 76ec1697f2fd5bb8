"""Where calls may go: lists of hosts by name, lists of networks by the addresses connected to."""

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Address, IPv6Address, ip_address

from aiohttp.abc import AbstractResolver, ResolveResult

from authz.outgoing.bounds import Destinations, Network
from authz.outgoing.errors import DestinationRefused

Address = IPv4Address | IPv6Address
THREADS = 8
_NUMERIC = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV


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
    """Resolves names and gives only the addresses that the guard takes.

    On threads of its own: names that callers choose may take long, and must not keep those waiting
    who read files on the threads of the event loop.
    """

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self._threads = ThreadPoolExecutor(THREADS, "names")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Raises OSError, and DestinationRefused when there are addresses and none may be used."""
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(self._threads, _look_up, host, family)
        taken = [
            (kind, text)
            for kind, text in found
            if (address := _address(text)) is not None and self._guard.takes(host, address)
        ]
        if found and not taken:
            raise DestinationRefused
        return [
            ResolveResult(hostname=host, host=text, port=port, family=kind, proto=0, flags=_NUMERIC)
            for kind, text in taken
        ]

    async def close(self) -> None:
        """May be used again, with new threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._threads = ThreadPoolExecutor(THREADS, "names")


def _look_up(host: str, family: socket.AddressFamily) -> list[tuple[int, str]]:
    """Families and addresses, the preferred first; those that need a scope are left out."""
    try:
        found = socket.getaddrinfo(
            host, None, family=family, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG
        )
    except UnicodeError as error:
        raise OSError("not a name") from error
    return [
        (kind, str(address[0]))
        for kind, _, _, _, address in found
        if len(address) == 2 or address[3] == 0
    ]


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
