"""What `tollhouse serve` can be told; every default is written here and nowhere else."""

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from _fastpath.bounds import Bounds
from _fastpath.header_spec import HeaderFamily, HeaderSpec
from _fastpath.limit_spec import Fail
from authz.opa.choice import AUTO, RegoSettings
from authz.outgoing.bounds import OutgoingBounds
from authz.selector_match import EVERYTHING, MANAGED, LabelSelector
from ratelimit.redis.key import HashTag
from tollhouse.address import Address
from tollhouse.log import Format, Level

RLS_LISTEN = Address("0.0.0.0", 8081)
AUTHZ_LISTEN = Address("0.0.0.0", 50051)
HTTP_LISTEN = Address("0.0.0.0", 8080)
AUTHZ_HTTP_LISTEN = Address("0.0.0.0", 5001)
OIDC_LISTEN = Address("0.0.0.0", 8083)


class Transport(StrEnum):
    """NATIVE is the compiled server; GRPCIO hosts the same methods on grpcio's."""

    NATIVE = "native"
    GRPCIO = "grpcio"


class RateLimitHeaders(StrEnum):
    """The headers that ShouldRateLimit answers with, see `HeaderFamily`; Limitador has two."""

    NONE = "NONE"
    DRAFT_VERSION_03 = "DRAFT_VERSION_03"
    RATELIMIT = "RATELIMIT"
    IETF = "IETF"


class RetryAfter(StrEnum):
    """When a refusal carries Retry-After."""

    WITH_HEADERS = "WITH_HEADERS"
    ALWAYS = "ALWAYS"
    NEVER = "NEVER"


class RateLimitStatuses(StrEnum):
    """Whether rate limit answers hold one status per descriptor, from which Envoy makes headers of
    its own."""

    DESCRIPTORS = "DESCRIPTORS"
    NONE = "NONE"


class Storage(StrEnum):
    """MEMORY: the counters of one process. REDIS: of all that use the same one."""

    MEMORY = "memory"
    REDIS = "redis"


class RedisMode(StrEnum):
    """EXACT: no decision without Redis. LEASED: counters far from their limit lease hits ahead."""

    EXACT = "exact"
    LEASED = "leased"


@dataclass(frozen=True, slots=True)
class StorageSettings:
    """Where counters live. What begins with redis_ is for Storage.REDIS."""

    storage: Storage = Storage.MEMORY
    redis_url: str | None = field(default=None, repr=False)
    redis_mode: RedisMode = RedisMode.EXACT
    redis_hash_tag: HashTag = HashTag.NAMESPACE
    redis_timeout_seconds: float = 0.35
    redis_connect_timeout_seconds: float = 1.0
    redis_lease_seconds: float = 1.0
    redis_max_leases: int = 100_000
    redis_required: bool = False
    redis_password_file: Path | None = None
    redis_ca_file: Path | None = None
    redis_certificate_file: Path | None = None
    redis_key_file: Path | None = None
    redis_sentinel_username: str = ""
    redis_sentinel_password: str = field(default="", repr=False)
    redis_sentinel_password_file: Path | None = None
    state: Path | None = None
    """SQLite file that keeps the counters of MEMORY over a restart."""
    state_flush_seconds: float = 1.0
    """How often they are written: what a crash may lose."""
    fail: Fail = Fail.CLOSED
    """What limits do while their counters are out of reach, unless they say it themselves."""


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM files of a listener; client_ca: of certificates that its peers may show."""

    certificate: Path
    key: Path
    client_ca: Path | None = None

    @property
    def paths(self) -> tuple[Path, ...]:
        return tuple(p for p in (self.certificate, self.key, self.client_ca) if p is not None)


@dataclass(frozen=True, slots=True)
class TlsSettings:
    """TLS of the listeners of authorization; a certificate and its key go together."""

    authz_certificate_file: Path | None = None
    authz_key_file: Path | None = None
    authz_http_certificate_file: Path | None = None
    authz_http_key_file: Path | None = None
    authz_http_client_ca_file: Path | None = None
    oidc_certificate_file: Path | None = None
    oidc_key_file: Path | None = None

    @property
    def authz(self) -> TlsFiles | None:
        """Of gRPC."""
        certificate, key = self.authz_certificate_file, self.authz_key_file
        return None if certificate is None or key is None else TlsFiles(certificate, key)

    @property
    def authz_http(self) -> TlsFiles | None:
        certificate, key = self.authz_http_certificate_file, self.authz_http_key_file
        if certificate is None or key is None:
            return None
        return TlsFiles(certificate, key, self.authz_http_client_ca_file)

    @property
    def oidc(self) -> TlsFiles | None:
        certificate, key = self.oidc_certificate_file, self.oidc_key_file
        return None if certificate is None or key is None else TlsFiles(certificate, key)


@dataclass(frozen=True, slots=True)
class WatchSettings:
    """Which objects are taken, by namespace ("" for all) and labels.

    secrets: the key of a Secret that loses these labels is revoked. allow_host_subsets: an
    AuthConfig may take a host below the wildcard of another.
    """

    namespace: str = ""
    auth_configs: LabelSelector = EVERYTHING
    secrets: LabelSelector = MANAGED
    allow_host_subsets: bool = False


@dataclass(frozen=True, slots=True)
class ServeSettings:
    """One run of the server."""

    manifests: tuple[Path, ...] = ()
    """Directories of manifests, or single files."""
    limits: Path | None = None
    """Limits file in Limitador's format; None: no limits from a file."""
    rls_listen: Address | None = RLS_LISTEN
    """First gRPC listener, Limitador's port; None: not opened. Both serve all services."""
    authz_listen: Address | None = AUTHZ_LISTEN
    """Second gRPC listener, Authorino's port."""
    http_listen: Address | None = HTTP_LISTEN
    """Status, limits API, metrics and probes."""
    authz_http_listen: Address | None = AUTHZ_HTTP_LISTEN
    """Check over plain HTTP, Authorino's port; opened once there is an AuthConfig."""
    oidc_listen: Address | None = OIDC_LISTEN
    """Discovery and keys of wristbands, Authorino's port; opened once one can be issued."""
    check_timeout_seconds: float = 30.0
    """For a whole authorization, beside the caller's own deadline; 0: none."""
    evaluator_metrics: bool = False
    """Whether every evaluator is counted and timed, not only those with `metrics: true`."""
    max_failures_per_source: int = 0
    """Failed authentications that one address may have per AuthConfig and window; 0: any number."""
    max_failures_per_credential: int = 0
    """The same of one credential, or of the id that goes with it."""
    failure_window_seconds: float = 60.0
    """The window of both."""
    max_http_body_bytes: int = 8192
    """Largest body of such a check; a longer one is answered 413."""
    threads: int = 0
    """I/O threads of the native transport, 0 … 256; 0: one per usable CPU."""
    transport: Transport = Transport.NATIVE
    rate_limit_headers: RateLimitHeaders = RateLimitHeaders.NONE
    retry_after: RetryAfter = RetryAfter.WITH_HEADERS
    """WITH_HEADERS: when rate_limit_headers are not NONE."""
    rate_limit_statuses: RateLimitStatuses = RateLimitStatuses.DESCRIPTORS
    """NONE answers as Limitador does."""
    limit_name_in_labels: bool = False
    """Whether limited_calls tells the limit's name."""
    custom_metric_labels: Path | None = None
    """YAML file of further labels of the request counters, CEL over the descriptors by name."""
    metric_labels_default: str | None = None
    """CEL whose map gives further labels."""
    grpc_reflection: bool = True
    """Whether gRPC server reflection is offered."""
    request_log: bool = False
    """Whether each authorization is two lines of the log, at level info; all of them are then
    decided in the full lane."""
    http_log: bool = False
    """Whether each HTTP request is a line of the log, at level info."""
    disable_reservations: bool = False
    """Reserve and Commit are not offered."""
    max_reservation_fraction: float = 0.5
    """Of a limit, how much one reservation may hold; above 0, at most 1."""
    max_reservation_ttl: float = 60.0
    """Seconds that a reservation may hold at most."""
    max_reservations: int = 100_000
    """Live reservations of this process; further ones are refused."""
    max_counters: int = 1_000_000
    """Live counters held; a further one takes the place of one near its expiry."""
    admin_token_file: Path | None = None
    """Holds the token that operations on counters ask for."""
    admin_token: str | None = field(default=None, repr=False)
    """The same without a file; from the environment only, as a command line is for all to see."""
    counter_changes: bool = True
    """Whether HTTP has the operations that change counters; `tollhouse limitador` has them only
    with a token, since limitador-server knows none."""
    max_api_keys: int = 1_000_000
    """API keys held over all AuthConfigs; a further one is refused and reported."""
    grace_seconds: float = 10.0
    """How long running calls may take to finish after SIGTERM; less than Kubernetes' 30 s."""
    log_level: Level = Level.INFO
    log_format: Format = Format.TEXT
    bounds: Bounds = field(default_factory=Bounds)
    counters: StorageSettings = field(default_factory=StorageSettings)
    watched: WatchSettings = field(default_factory=WatchSettings)
    tls: TlsSettings = field(default_factory=TlsSettings)
    outgoing: OutgoingBounds = field(default_factory=OutgoingBounds)
    """What calls of evaluators to other servers may take, and where they may go."""
    rego: RegoSettings = field(default_factory=lambda: RegoSettings(AUTO))
    """Where policies are evaluated."""

    @property
    def headers(self) -> HeaderSpec:
        """What both settings of rate limit headers come to."""
        family = HeaderFamily[self.rate_limit_headers]
        told = self.retry_after is RetryAfter.WITH_HEADERS and family is not HeaderFamily.NONE
        return HeaderSpec(family, retry_after=told or self.retry_after is RetryAfter.ALWAYS)


@dataclass(frozen=True, slots=True)
class ServerAccess:
    """How a command reaches the HTTP side of a running server."""

    server: str = "http://127.0.0.1:8080"
    """An http:// or https:// URL, or unix:PATH."""
    token_file: Path | None = None
    """Holds the admin token."""
    token: str | None = field(default=None, repr=False)
    """The same without a file; the file beats it."""


@dataclass(frozen=True, slots=True)
class CountersSettings:
    """One run of `tollhouse counters`."""

    action: str
    """list, get, reset or set."""
    namespace: str
    access: ServerAccess = field(default_factory=ServerAccess)
    limit: str | None = None
    """Name of the limits meant; "" means those without one, None all."""
    variables: tuple[tuple[str, str], ...] = ()
    """Values of variables that counters must have."""
    value_over: int | None = None
    value: int | None = None
    """What `set` sets."""
    json: bool = False
    yes: bool = False
    """Resets a whole namespace without asking."""


@dataclass(frozen=True, slots=True)
class CheckSettings:
    """One run of `tollhouse check`."""

    paths: tuple[Path, ...]
    strict: bool = False
    """Warnings count as errors."""
