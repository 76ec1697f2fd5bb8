"""How much outgoing calls may take, and where they may go."""

from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path

Network = IPv4Network | IPv6Network
PRIVATE_NETWORKS: tuple[Network, ...] = tuple(
    map(
        ip_network,
        (
            "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16",
            "172.16.0.0/12", "192.168.0.0/16", "::/127", "64:ff9b::/96", "fc00::/7", "fe80::/10",
        ),
    )
)  # fmt: skip
"""What is not the public Internet: this host, this site, and ways to write them in IPv6."""


@dataclass(frozen=True, slots=True)
class Destinations:
    """Hosts are names without a port, or `*.example.com` for every name below; in lower case.

    What a denied list has is refused. Is any allowed list given, what neither has is refused too.
    Networks are compared with the addresses that a name resolves to, each time one is connected to.
    """

    allowed_hosts: frozenset[str] = frozenset()
    denied_hosts: frozenset[str] = frozenset()
    allowed_networks: tuple[Network, ...] = ()
    denied_networks: tuple[Network, ...] = ()

    def __bool__(self) -> bool:
        return bool(
            self.allowed_hosts or self.denied_hosts or self.allowed_networks or self.denied_networks
        )


@dataclass(frozen=True, slots=True)
class CircuitBounds:
    """When the calls to a destination are refused for a while instead of waiting each.

    Failures are broken connections, and timeouts after `slow_seconds` or more: a shorter one says
    more about the timeout. Once `failures` of the last `calls` failed, calls are refused for
    `open_seconds`; then one is tried, and its outcome decides.
    """

    calls: int = 20
    failures: int = 10
    slow_seconds: float = 1.0
    open_seconds: float = 5.0


@dataclass(frozen=True, slots=True)
class OutgoingBounds:
    """response_bytes: of a body. per_destination, waiting: concurrent calls to a scheme, host and
    port, and those that wait for their turn. connections: open at a time, to all destinations.
    destinations: how many are remembered. redirects: followed by a call that follows them.
    longest_seconds: ends calls that have no timeout. ca_file: PEM of authorities trusted besides
    the system's."""

    response_bytes: int = 1 << 20
    per_destination: int = 64
    waiting: int = 256
    connections: int = 1024
    destinations: int = 1024
    redirects: int = 10
    longest_seconds: float = 300.0
    ca_file: Path | None = None
    circuit: CircuitBounds = field(default_factory=CircuitBounds)
    allowed: Destinations = field(default_factory=Destinations)
