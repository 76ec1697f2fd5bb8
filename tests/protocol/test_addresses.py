"""Where either transport can listen, and how it says that it cannot."""

import os
import socket
from collections.abc import Callable
from pathlib import Path

import grpc.aio
import pytest

from _fastpath.errors import BindError
from tests.protocol.conftest import Serve
from tests.protocol.methods import SERVICE, Observed

Connect = Callable[[str], grpc.aio.Channel]


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "localhost", "0.0.0.0", "[::]"])
async def test_port_zero_is_replaced_by_a_free_one(
    serve: Serve, connect: Connect, host: str
) -> None:
    served = await serve(Observed().methods(), address=f"{host}:0")
    port = served.address.rpartition(":")[2]
    assert int(port) > 0
    target = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}.get(host, host)
    assert await connect(f"{target}:{port}").unary_unary(SERVICE + "echo")(b"x") == b"x"


async def test_unix_socket_is_served_and_removed(
    serve: Serve, connect: Connect, tmp_path: Path
) -> None:
    path = tmp_path / "socket"
    served = await serve(Observed().methods(), address=f"unix:{path}")
    assert served.address == f"unix:{path}"
    assert await connect(served.address).unary_unary(SERVICE + "echo")(b"x") == b"x"
    await served.drain(0)
    assert not path.exists()


async def test_socket_left_by_a_dead_process_is_replaced(
    serve: Serve, connect: Connect, tmp_path: Path
) -> None:
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    served = await serve(Observed().methods(), address=f"unix:{path}")
    assert await connect(served.address).unary_unary(SERVICE + "echo")(b"x") == b"x"


async def test_socket_of_a_living_process_is_respected(serve: Serve, tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX) as living:
        living.bind(str(path))
        living.listen()
        with pytest.raises(BindError, match=str(path)):
            await serve(Observed().methods(), address=f"unix:{path}")
        assert path.is_socket()


async def test_file_in_the_place_of_a_socket_is_kept(serve: Serve, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("precious")
    with pytest.raises(BindError, match=str(path)):
        await serve(Observed().methods(), address=f"unix:{path}")
    assert path.read_text() == "precious"


async def test_taken_port_is_refused(serve: Serve) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        address = f"127.0.0.1:{other.getsockname()[1]}"
        with pytest.raises(BindError, match=address):
            await serve(Observed().methods(), address=address)


@pytest.mark.parametrize("address", ["192.0.2.1:0", "unix:/nowhere/at/all", "no.such.invalid:0"])
async def test_address_of_others_is_refused(serve: Serve, address: str) -> None:
    with pytest.raises(BindError, match="cannot listen on"):
        await serve(Observed().methods(), address=address)


async def test_own_port_is_not_shared_with_a_second_server(serve: Serve) -> None:
    served = await serve(Observed().methods())
    with pytest.raises(BindError):
        await serve(Observed().methods(), address=served.address)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may bind any port")
async def test_privileged_port_is_refused(serve: Serve) -> None:
    with pytest.raises(BindError):
        await serve(Observed().methods(), address="127.0.0.1:1")
