"""What `tollhouse ratelimit` can be told; every default is written here, as in the original."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from _fastpath.bounds import Bounds
from ratelimit.descriptors.options import DescriptorOptions
from tollhouse.address import Address
from tollhouse.log import Format, Level

GRPC_LISTEN = Address("0.0.0.0", 8081)
HTTP_LISTEN = Address("0.0.0.0", 8080)
DEBUG_LISTEN = Address("0.0.0.0", 6070)
PROMETHEUS_LISTEN = Address("0.0.0.0", 9090)


class ConfigType(StrEnum):
    """Where the configuration comes from: files, or an xDS management server."""

    FILE = "FILE"
    GRPC_XDS_SOTW = "GRPC_XDS_SOTW"


class Backend(StrEnum):
    """Where the counters are. MEMORY is ours: one process counts alone."""

    REDIS = "redis"
    MEMORY = "memory"


class RedisType(StrEnum):
    SINGLE = "SINGLE"
    SENTINEL = "SENTINEL"
    CLUSTER = "CLUSTER"


@dataclass(frozen=True, slots=True)
class FileSettings:
    """Where the files of the domains are."""

    root: Path = Path("/srv/runtime_data/current")
    subdirectory: str = ""
    appdirectory: str = "config"
    watch_root: bool = True
    """Whether files are named from above the app directory, as `config.FILE`; takes in files
    beside the directory whose names begin so."""
    ignore_dot_files: bool = False

    @property
    def folder(self) -> Path:
        """What is watched."""
        return self.root / self.subdirectory if self.watch_root else self.appfolder

    @property
    def appfolder(self) -> Path:
        """Where the files are."""
        return self.root / self.subdirectory / self.appdirectory


@dataclass(frozen=True, slots=True)
class XdsSettings:
    """How the management server is reached. Durations are seconds."""

    server: str = "localhost:18000"
    node_id: str = "default"
    node_metadata: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Sent with the stream; they may hold a token."""
    backoff_initial: float = 10.0
    backoff_max: float = 60.0
    backoff_jitter: bool = True
    max_message_bytes: int = 4 << 20
    tls: bool = False
    certificate: Path | None = None
    key: Path | None = None
    authority: Path | None = None
    server_name: str = ""
    """The name that the server's certificate has to have, where it is not that of the address."""


@dataclass(frozen=True, slots=True)
class RedisVariables:
    """How Redis is reached, in the original's terms."""

    socket_type: str = "unix"
    type: RedisType = RedisType.SINGLE
    url: str = field(default="/var/run/nutcracker/ratelimit.sock", repr=False)
    auth: str = field(default="", repr=False)
    sentinel_auth: str = field(default="", repr=False)
    tls: bool = False
    certificate: Path | None = None
    key: Path | None = None
    authority: Path | None = None
    timeout: float | None = None
    """For an answer and for a connection; None: those of `tollhouse serve`."""
    health_by_connection: bool = False


@dataclass(frozen=True, slots=True)
class RatelimitSettings:
    """One run."""

    grpc_listen: Address = GRPC_LISTEN
    http_listen: Address = HTTP_LISTEN
    debug_listen: Address = DEBUG_LISTEN
    prometheus_listen: Address | None = None
    prometheus_path: str = "/metrics"
    config_type: ConfigType = ConfigType.FILE
    files: FileSettings = FileSettings()
    xds: XdsSettings = XdsSettings()
    backend: Backend = Backend.REDIS
    redis: RedisVariables = RedisVariables()
    options: DescriptorOptions = field(default_factory=DescriptorOptions)
    merge_domains: bool = False
    force_start: bool = False
    """Serve before the first configuration has come from the management server."""
    healthy_with_config: bool = False
    """Unhealthy while no domain is configured."""
    log_level: Level = Level.WARNING
    log_format: Format = Format.TEXT
    threads: int = 0
    """I/O threads; 0: one per usable CPU."""
    max_counters: int = 1_000_000
    grace_seconds: float = 10.0
    bounds: Bounds = field(default_factory=Bounds)
    ignored: tuple[str, ...] = ()
    """Variables that are set and have no effect, each with the reason."""
