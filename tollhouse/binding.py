"""Finding out why an address cannot be bound, for libraries that would not say or not refuse."""

import contextlib
import os
import socket
import stat

from _fastpath.errors import BindError
from tollhouse.address import Address


def ensure_free(address: Address) -> None:
    """Raise BindError, with the system's reason, when `address` cannot be bound.

    Removes a Unix socket that nobody listens on any more. Between this and the real bind another
    process may come first; then the library's own message has to do.
    """
    try:
        if address.path is not None:
            _try_path(address.path)
        else:
            _try_port(address.host, address.port)
    except OSError as error:
        raise BindError(f"cannot listen on {address}: {error.strerror or error}") from error


def remove_socket(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


def _try_port(host: str, port: int) -> None:
    for family, kind, protocol, _, place in socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    ):
        with socket.socket(family, kind, protocol) as probe:
            # As the servers do: a port whose old connections linger is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(place)


def _try_path(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISSOCK(os.lstat(path).st_mode):
            raise FileExistsError(17, "a file that is no socket is in the way")
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(path)
            except ConnectionRefusedError:
                os.unlink(path)
    with socket.socket(socket.AF_UNIX) as probe:
        probe.bind(path)
    os.unlink(path)
