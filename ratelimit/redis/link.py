"""One connection to one Redis node: log in, see that it will do, exchange commands."""

import asyncio
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from redis.asyncio.connection import (
    AbstractConnection,
    Connection,
    SSLConnection,
    UnixDomainSocketConnection,
)
from redis.exceptions import ResponseError

from ratelimit.redis.fault import Fault, RedisFault, fault_of
from ratelimit.redis.settings import Address, RedisSettings
from ratelimit.redis.wire import command

OLDEST = (6, 2)
DECIDE = resources.files("ratelimit.redis").joinpath("decide.lua").read_bytes()

Reply = bytes | int | list[Any] | None | ResponseError
"""What a command was answered with; an error is a value here."""


def connection_arguments(settings: RedisSettings, *, sentinel: bool = False) -> dict[str, Any]:
    """What redis-py is told for every connection but the address.

    sentinel: for the Sentinels themselves, which have credentials of their own and no database.
    The password file is read anew each time, so that a changed one counts. Raises RedisFault.
    """
    url = settings.parsed()
    arguments: dict[str, Any] = {
        "socket_timeout": None,  # batches and logging in have deadlines of their own
        "socket_connect_timeout": settings.connect_timeout_seconds,
        "protocol": 2,
        "driver_info": None,
    }
    if sentinel:
        username, password = settings.sentinel_username, settings.sentinel_password
        file = settings.sentinel_password_file
    else:
        username, password, file = url.username, url.password, settings.password_file
        arguments |= {"db": url.database, "client_name": "tollhouse"}
    if file is not None:
        password = _password(file)
    arguments |= {"username": username or None, "password": password or None}
    if url.tls:
        arguments |= {
            "ssl_ca_certs": _path(settings.ca_file),
            "ssl_certfile": _path(settings.certificate_file),
            "ssl_keyfile": _path(settings.key_file),
        }
        if not (url.verify and settings.verify):
            arguments |= {"ssl_cert_reqs": "none", "ssl_check_hostname": False}
    return arguments


def _password(file: Path) -> str:
    try:
        return file.read_text().rstrip("\r\n")
    except (OSError, ValueError) as error:
        raise RedisFault(Fault.AUTH, f"{file}: {error}") from error


def _path(file: Path | None) -> str | None:
    return None if file is None else str(file)


class Link:
    """Used by one task at a time. After an exception of `open` or `exchange` it is closed."""

    def __init__(self, settings: RedisSettings, address: Address) -> None:
        self.address = address
        self.sha = b""
        self.evicts = False
        """Whether the server may drop live keys when its memory is full."""
        self._settings = settings
        self._connection: AbstractConnection | None = None

    async def open(self) -> None:
        """Connect, log in, see that this is a master of a version we know, load the script.

        Raises RedisFault.
        """
        try:
            async with asyncio.timeout(self._settings.connect_timeout_seconds):
                await self.connect()
                await self._inspect()
                await self.load()
        except Exception as error:
            await self.close()
            raise fault_of(error) from error
        except BaseException:
            await self.close()
            raise

    async def connect(self) -> None:
        """Connect and log in, no more. Raises redis-py's errors; the caller has the deadline."""
        self._connection = self._made()
        await self._connection.connect()

    def _made(self) -> AbstractConnection:
        arguments = connection_arguments(self._settings)
        if not self.address.port:
            return UnixDomainSocketConnection(path=self.address.host, **arguments)
        kind = SSLConnection if self._settings.parsed().tls else Connection
        return kind(host=self.address.host, port=self.address.port, **arguments)

    async def _inspect(self) -> None:
        (reply,) = await self.exchange([command(b"INFO")])
        told = _info(reply)
        version = told.get("redis_version", "")
        if _version(version) < OLDEST:
            raise RedisFault(Fault.VERSION, f"expected Redis 6.2 or later, got {version}")
        if told.get("loading") == "1":
            raise RedisFault(Fault.LOADING, "the server is loading its data set")
        if told.get("role") != "master":
            raise RedisFault(Fault.READONLY, "the server is a replica")
        self.evicts = told.get("maxmemory_policy", "noeviction") != "noeviction"

    async def load(self) -> None:
        """Raises RedisFault."""
        (reply,) = await self.exchange([command(b"SCRIPT", b"LOAD", DECIDE)])
        if not isinstance(reply, bytes):
            raise _unexpected(reply)
        self.sha = reply

    async def exchange(self, packed: Sequence[bytes], replies: int = 1) -> list[Reply]:
        """Write commands at once and read that many replies. The caller has the deadline."""
        await self.send(packed)
        return await self.receive(replies)

    async def send(self, packed: Sequence[bytes]) -> None:
        connection = self._connection
        if connection is None:
            raise RedisFault(Fault.CONNECTION, "not connected")
        await connection.send_packed_command(packed, check_health=False)

    async def receive(self, replies: int) -> list[Reply]:
        connection = self._connection
        if connection is None:
            raise RedisFault(Fault.CONNECTION, "not connected")
        received: list[Reply] = []
        for _ in range(replies):
            try:
                received.append(await connection.read_response(disable_decoding=True))
            except ResponseError as error:
                received.append(error)
        return received

    async def close(self) -> None:
        if self._connection is not None:
            connection, self._connection = self._connection, None
            await connection.disconnect(nowait=True)


def _unexpected(reply: Reply) -> RedisFault:
    if isinstance(reply, ResponseError):
        return fault_of(reply)
    return RedisFault(Fault.SCRIPT, f"unexpected reply of type {type(reply).__name__}")


def _info(reply: Reply) -> dict[str, str]:
    if not isinstance(reply, bytes):
        raise _unexpected(reply)
    lines = reply.decode(errors="replace").splitlines()
    return dict(line.split(":", 1) for line in lines if ":" in line)


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".")[:2] if part.isdigit())
