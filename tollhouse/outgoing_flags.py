"""Calls of evaluators to other servers: where they may go and what they may take."""

import re
import ssl
from collections.abc import Mapping
from dataclasses import fields
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from authz.outgoing.bounds import (
    PRIVATE_NETWORKS,
    CircuitBounds,
    Destinations,
    Network,
    OutgoingBounds,
)
from tollhouse import flags
from tollhouse.errors import UsageError
from tollhouse.flags import Flag

GROUP = "calls to other servers"
PREFIX = "outgoing_"
CIRCUIT = "circuit_"
PRIVATE = "private"
MOST = (1 << 31) - 1
_HOST = re.compile(r"(\*\.)?[a-z0-9_-]+(\.[a-z0-9_-]+)*")
Destination = str | Network


def destinations(text: str) -> tuple[Destination, ...]:
    """Reader of names, *.names, addresses, networks and the word `private`, separated by commas."""
    found: list[Destination] = []
    for item in filter(None, (part.strip().lower().rstrip(".") for part in text.split(","))):
        if item == PRIVATE:
            found += PRIVATE_NETWORKS
            continue
        try:
            found.append(ip_network(item.strip("[]")))
        except ValueError:
            if not _HOST.fullmatch(item) or "/" in item or re.fullmatch(r"[\d.]+", item):
                raise UsageError(f"{item!r} is no host, *.host, network or {PRIVATE}") from None
            found.append(item)
    return tuple(found)


def authorities(text: str) -> Path:
    """Reader of a file with certificates."""
    file = flags.path(text)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(file)
    except OSError as error:  # an SSLError too
        raise UsageError(f"{text!r} holds no certificates that can be read") from error
    return file


def _flag(name: str, read: Any, metavar: str, help_text: str, *, repeatable: bool = False) -> Flag:
    return Flag(PREFIX + name, read, metavar, help_text, GROUP, repeatable=repeatable)


_COUNT = flags.count(1, MOST)
_SECONDS = flags.seconds(86400, least=0.001)
_LIST = "DEST[,DEST]"
OUTGOING_FLAGS = (
    _flag(
        "allow",
        destinations,
        _LIST,
        "only these are called: host, *.host, address, network, private; may be repeated",
        repeatable=True,
    ),
    _flag(
        "deny",
        destinations,
        _LIST,
        "these are never called, whatever is allowed; may be repeated",
        repeatable=True,
    ),
    _flag("ca_file", authorities, "FILE", "PEM of authorities trusted besides the system's"),
    _flag("response_bytes", flags.size(1, 1 << 30), "BYTES", "longest answer that is read"),
    _flag("redirects", flags.count(0, 100), "N", "redirects that a call follows"),
    _flag("longest_seconds", _SECONDS, "SECONDS", "ends a call that has no timeout of its own"),
    _flag("per_destination", _COUNT, "N", "calls at a time to a scheme, host and port"),
    _flag("waiting", flags.count(0, MOST), "N", "calls that wait for their turn there"),
    _flag("connections", _COUNT, "N", "connections at a time to all destinations"),
    _flag("destinations", _COUNT, "N", "destinations that are remembered"),
    _flag("circuit_calls", flags.count(1, 10_000), "N", "calls that a destination is judged by"),
    _flag("circuit_failures", _COUNT, "N", "so many of them failed: it is given a rest"),
    _flag("circuit_slow_seconds", _SECONDS, "SECONDS", "a timeout after this long is a failure"),
    _flag("circuit_open_seconds", _SECONDS, "SECONDS", "how long the rest is"),
)


def defaults() -> dict[str, Any]:
    """By field of the flags."""
    bounds, circuit = OutgoingBounds(), CircuitBounds()
    found = {PREFIX + name: () for name in ("allow", "deny")}
    return (
        found
        | {PREFIX + field.name: getattr(bounds, field.name) for field in fields(bounds)}
        | {PREFIX + CIRCUIT + field.name: getattr(circuit, field.name) for field in fields(circuit)}
    )


def read(given: Mapping[str, Any], environment: Mapping[str, str]) -> OutgoingBounds:
    """Raises UsageError."""
    told = flags.values(OUTGOING_FLAGS, given, environment)
    found = {name.removeprefix(PREFIX): value for name, value in told.items()}
    circuit = {
        name.removeprefix(CIRCUIT): found.pop(name)
        for name in tuple(found)
        if name.startswith(CIRCUIT)
    }
    bounds = CircuitBounds(**circuit)
    if bounds.failures > bounds.calls:
        raise UsageError(
            f"--outgoing-circuit-failures: {bounds.failures} is more than the"
            f" {bounds.calls} of --outgoing-circuit-calls"
        )
    allowed_hosts, allowed_networks = _parted(found.pop("allow", ()))
    denied_hosts, denied_networks = _parted(found.pop("deny", ()))
    lists = Destinations(allowed_hosts, denied_hosts, allowed_networks, denied_networks)
    return OutgoingBounds(**found, circuit=bounds, allowed=lists)


def _parted(listed: tuple[Destination, ...]) -> tuple[frozenset[str], tuple[Network, ...]]:
    hosts = frozenset(item for item in listed if isinstance(item, str))
    return hosts, tuple(item for item in listed if not isinstance(item, str))
