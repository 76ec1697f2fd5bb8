"""Which Redis to use and how to get in; the URL is read here and nowhere else."""

from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import NamedTuple
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from ratelimit.redis.key import HashTag

_FORMS = (
    "redis://, rediss://, unix://, redis+sentinel://, rediss+sentinel://, "
    "redis+cluster:// or rediss+cluster://"
)


class TopologyKind(Enum):
    STANDALONE = "standalone"
    SENTINEL = "sentinel"
    CLUSTER = "cluster"


class Address(NamedTuple):
    """A host and port, or with port 0 the path of a Unix socket."""

    host: str
    port: int

    def __str__(self) -> str:
        if not self.port:
            return self.host
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class RedisUrl:
    """A URL, read. addresses: the server, the Sentinels or the Cluster's first nodes to ask."""

    kind: TopologyKind
    addresses: tuple[Address, ...]
    tls: bool = False
    verify: bool = True
    database: int = 0
    master: str = ""
    username: str = field(default="", repr=False)
    password: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class RedisSettings:
    """Validated when made: raises ValueError with what was expected."""

    url: str = field(repr=False)
    hash_tag: HashTag = HashTag.NAMESPACE
    timeout_seconds: float = 0.35
    """From sending a batch to its reply. Limitador's default for its cached storage."""
    connect_timeout_seconds: float = 1.0
    """For connecting, TLS and logging in together."""
    password_file: Path | None = None
    """Read at every connect, so that a password may change at run time; wins over the URL's."""
    sentinel_username: str = ""
    sentinel_password: str = field(default="", repr=False)
    sentinel_password_file: Path | None = None
    ca_file: Path | None = None
    certificate_file: Path | None = None
    key_file: Path | None = None
    verify: bool = True
    """False accepts any certificate, as `#insecure` at the end of a URL."""

    def __post_init__(self) -> None:
        self.parsed()
        if self.timeout_seconds <= 0 or self.connect_timeout_seconds <= 0:
            raise ValueError("expected a timeout above 0 seconds")
        if (self.certificate_file is None) != (self.key_file is None):
            raise ValueError("expected a certificate and its key, or neither")

    def parsed(self) -> RedisUrl:
        return parse_url(self.url)


def parse_url(url: str) -> RedisUrl:
    """Raises ValueError, which never quotes the URL: it may hold a password."""
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise ValueError("expected a Redis URL") from error
    if parts.scheme in ("unix", "redis+unix"):
        return _unix(parts)
    base, _, form = parts.scheme.partition("+")
    if base not in ("redis", "rediss") or form not in ("", "sentinel", "cluster"):
        raise ValueError(f"expected a Redis URL: {_FORMS}")
    kind = TopologyKind(form or "standalone")
    credentials, _, hosts = parts.netloc.rpartition("@")
    username, _, password = credentials.partition(":")
    default_port = 26379 if kind is TopologyKind.SENTINEL else 6379
    addresses = tuple(_address(host, default_port) for host in hosts.split(","))
    if kind is TopologyKind.STANDALONE and len(addresses) > 1:
        raise ValueError("expected one host; several need redis+sentinel:// or redis+cluster://")
    master, database = _path(kind, parts.path.strip("/"))
    return RedisUrl(
        kind,
        addresses,
        tls=base == "rediss",
        verify=parts.fragment != "insecure",
        database=database,
        master=master,
        username=unquote(username),
        password=unquote(password),
    )


def _unix(parts: SplitResult) -> RedisUrl:
    query = parse_qs(parts.query)
    credentials, _, host = parts.netloc.rpartition("@")
    username, _, password = credentials.partition(":")
    if host or not parts.path:
        raise ValueError("expected unix:///path/of/the/socket")
    return RedisUrl(
        TopologyKind.STANDALONE,
        (Address(unquote(parts.path), 0),),
        database=_database(query.get("db", ["0"])[0]),
        username=unquote(username),
        password=unquote(password),
    )


def _address(text: str, default_port: int) -> Address:
    try:
        parts = urlsplit(f"//{text}")
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise ValueError("expected host or host:port in the Redis URL") from error
    if not host or port == 0:
        raise ValueError("expected host or host:port in the Redis URL")
    return Address(host, port or default_port)


def _path(kind: TopologyKind, path: str) -> tuple[str, int]:
    """Name of the master, and the database."""
    if kind is TopologyKind.STANDALONE:
        return "", _database(path or "0")
    if kind is TopologyKind.CLUSTER:
        if path not in ("", "0"):
            raise ValueError("expected no database in a Cluster's URL: a Cluster has only 0")
        return "", 0
    master, _, database = path.partition("/")
    if not master:
        raise ValueError("expected redis+sentinel://HOST,…/NAME with the name of the master")
    return unquote(master), _database(database or "0")


def _database(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise ValueError("expected the number of a database at the end of the Redis URL")
    return int(text)
