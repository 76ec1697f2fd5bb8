"""Listen addresses as people write them."""

import pytest

from tollhouse.address import Address
from tollhouse.errors import UsageError


@pytest.mark.parametrize(
    ("text", "address", "told"),
    [
        ("0.0.0.0:8081", Address("0.0.0.0", 8081), "0.0.0.0:8081"),
        ("localhost:0", Address("localhost", 0), "localhost:0"),
        (":8081", Address("0.0.0.0", 8081), "0.0.0.0:8081"),
        ("[::1]:65535", Address("::1", 65535), "[::1]:65535"),
        ("unix:/run/a:b", Address(path="/run/a:b"), "unix:/run/a:b"),
        ("unix:rel", Address(path="rel"), "unix:rel"),
        ("none", None, "None"),
    ],
)
def test_address_is_read_and_told_again(text: str, address: Address | None, told: str) -> None:
    assert Address.parse(text) == address
    assert str(address) == told


@pytest.mark.parametrize(
    "text",
    ["", "host", "host:", "host:x", "host:-1", "host:65536", "::1:80", "unix:", "h:1²"],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        Address.parse(text)


def test_socket_path_that_the_system_cannot_hold_is_refused() -> None:
    assert Address.parse("unix:" + "p" * 107) is not None
    with pytest.raises(UsageError, match="107 bytes"):
        Address.parse("unix:" + "é" * 54)
