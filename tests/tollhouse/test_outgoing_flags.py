"""Bounds and destinations of outgoing calls, as the command line says them."""

from dataclasses import fields
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest

from authz.outgoing.bounds import (
    PRIVATE_NETWORKS,
    CircuitBounds,
    Destinations,
    OutgoingBounds,
)
from tests.authz import pki
from tollhouse import authorino_flags, cli
from tollhouse.authorino_settings import AuthorinoSettings
from tollhouse.errors import UsageError
from tollhouse.flags import Flag
from tollhouse.outgoing_flags import OUTGOING_FLAGS
from tollhouse.settings import ServeSettings

LISTS = {"allow", "deny"}


def outgoing(*arguments: str, **environment: str) -> OutgoingBounds:
    settings = cli.parse(["serve", *arguments], environment)
    assert isinstance(settings, ServeSettings)
    return settings.outgoing


def test_every_bound_has_a_flag() -> None:
    bounds = {field.name for field in fields(OutgoingBounds)} - {"circuit", "allowed"}
    circuit = {f"circuit_{field.name}" for field in fields(CircuitBounds)}
    told = {flag.field.removeprefix("outgoing_") for flag in OUTGOING_FLAGS}
    assert told == bounds | circuit | LISTS


def test_nothing_said_is_the_default() -> None:
    assert outgoing() == OutgoingBounds() == ServeSettings().outgoing


@pytest.mark.parametrize(
    "flag", [flag for flag in OUTGOING_FLAGS if flag.metavar in ("N", "SECONDS", "BYTES")]
)
def test_flag_and_variable_set_the_same(flag: Flag) -> None:
    name, variable, field = flag.name, flag.variable, flag.field.removeprefix("outgoing_")
    more = ["--outgoing-circuit-failures=1"] if field == "circuit_calls" else []
    for found in (outgoing(name, "9", *more), outgoing(*more, **{variable: "9"})):
        part = found.circuit if field.startswith("circuit_") else found
        assert getattr(part, field.removeprefix("circuit_")) == 9


def test_lists_of_destinations() -> None:
    found = outgoing(
        "--outgoing-allow=api.Example.com, *.corp",
        "--outgoing-allow=10.0.0.0/8",
        "--outgoing-deny=[::1],192.0.2.7",
    )
    assert found.allowed == Destinations(
        allowed_hosts=frozenset({"api.example.com", "*.corp"}),
        allowed_networks=(ip_network("10.0.0.0/8"),),
        denied_networks=(ip_network("::1/128"), ip_network("192.0.2.7/32")),
    )
    assert outgoing(TOLLHOUSE_OUTGOING_DENY="private").allowed == Destinations(
        denied_networks=PRIVATE_NETWORKS
    )


def test_private_is_what_is_not_the_internet() -> None:
    def private(text: str) -> bool:
        return any(ip_address(text) in network for network in PRIVATE_NETWORKS)

    assert all(map(private, ["0.0.0.0", "127.0.0.1", "169.254.169.254", "::", "::1", "fd00::1"]))
    assert not any(map(private, ["1.1.1.1", "2606:4700::1"]))


@pytest.mark.parametrize("text", ["http://a", "a b", "1.2.3", "10.0.0.1/8", "*", "a/b"])
def test_what_is_no_destination(text: str) -> None:
    with pytest.raises(UsageError, match=r"--outgoing-deny: .* is no host"):
        outgoing(f"--outgoing-deny={text}")


def test_a_circuit_that_could_never_open() -> None:
    with pytest.raises(UsageError, match="more than the 5 of --outgoing-circuit-calls"):
        outgoing("--outgoing-circuit-calls=5", "--outgoing-circuit-failures=6")


def test_authorinos_command_line_takes_the_variables() -> None:
    words = ["server", "--manifests", "m"]
    found = authorino_flags.parse(words, {"TOLLHOUSE_OUTGOING_DENY": "private"})
    assert isinstance(found, AuthorinoSettings)
    assert found.serve.outgoing.allowed.denied_networks == PRIVATE_NETWORKS


def test_authorities_are_read_at_the_start(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    for text in ("", "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n"):
        file.write_text(text)
        with pytest.raises(UsageError, match=r"--outgoing-ca-file: .* holds no certificates"):
            outgoing(f"--outgoing-ca-file={file}")
    with pytest.raises(UsageError, match="holds no certificates"):
        outgoing(f"--outgoing-ca-file={tmp_path / 'absent.pem'}")
    file.write_text(pki.root().pem)
    assert outgoing(f"--outgoing-ca-file={file}").ca_file == file
