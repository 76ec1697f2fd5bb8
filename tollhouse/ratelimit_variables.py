"""The environment variables of envoyproxy/ratelimit: how each is read, and which have no effect."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from _fastpath.header_spec import HEADER_NAME
from tollhouse import flags
from tollhouse.address import UNIX, Address
from tollhouse.errors import UsageError
from tollhouse.log import Format, Level
from tollhouse.ratelimit_settings import Backend, ConfigType, RedisType

_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)")
_TRUE, _FALSE = {"1", "t", "true"}, {"0", "f", "false"}
_LEVELS = {
    "panic": Level.ERROR,
    "fatal": Level.ERROR,
    "error": Level.ERROR,
    "warn": Level.WARNING,
    "warning": Level.WARNING,
    "info": Level.INFO,
    "debug": Level.DEBUG,
    "trace": Level.DEBUG,
}


@dataclass(frozen=True, slots=True)
class Variable:
    """`read` turns the text into a value and raises UsageError."""

    name: str
    read: Callable[[str], Any]
    help: str


def boolean(text: str) -> bool:
    if text.lower() in _TRUE | _FALSE:
        return text.lower() in _TRUE
    raise UsageError(f"{text!r} is neither true nor false")


def duration(text: str) -> float:
    """Seconds of a duration as Go writes it: 500ms, 1m30s, 0."""
    if text == "0":
        return 0.0
    parts = _DURATION.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise UsageError(f"{text!r} is no duration, as 500ms or 1m30s")
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


def pairs(between: str) -> Callable[[str], dict[str, str]]:
    """Reader of a map: `key1:value1,key2:value2` with `between` key and value."""

    def read(text: str) -> dict[str, str]:
        found = {}
        for part in text.split(","):
            key, sign, value = part.partition(between)
            if not sign or not key:
                raise UsageError(f"{part!r} is no key{between}value")
            found[key.strip()] = value
        return found

    return read


def level(text: str) -> Level:
    if text.lower() not in _LEVELS:
        raise UsageError(f"{text!r} is none of {', '.join(_LEVELS)}")
    return _LEVELS[text.lower()]


def ratio(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise UsageError(f"{text!r} is no number from 0 to 1")
    return value


def header_name(text: str) -> str:
    if not HEADER_NAME.fullmatch(text):
        raise UsageError(f"{text!r} is no header name")
    return text


def backend(text: str) -> Backend:
    if text.lower() == "memcache":
        raise UsageError("'memcache' is not offered; replicas count together through Redis")
    found = flags.text_of(Backend)(text)
    assert isinstance(found, Backend)
    return found


def no_tls(text: str) -> bool:
    """Refuses rather than serve in the clear what was meant to be encrypted."""
    if boolean(text):
        raise UsageError("TLS is not offered here; end it in a proxy, or use GRPC_UDS")
    return False


def socket_path(text: str) -> str:
    found = Address.parse(UNIX + text)
    return found.path or "" if found else ""


PORT = flags.count(0, 65535)
COUNT = flags.count(1, (1 << 31) - 1)
BYTES = flags.size(0, 1 << 31)

VARIABLES = {
    variable.name: variable
    for variable in (
        Variable("HOST", str, "HTTP address (0.0.0.0)"),
        Variable("PORT", PORT, "HTTP port: /json, /healthcheck (8080)"),
        Variable("GRPC_HOST", str, "gRPC address (0.0.0.0)"),
        Variable("GRPC_PORT", PORT, "gRPC port (8081)"),
        Variable("GRPC_UDS", socket_path, "gRPC on a Unix socket instead"),
        Variable("GRPC_SERVER_USE_TLS", no_tls, "not offered; true ends the start"),
        Variable("DEBUG_HOST", str, "debug address (0.0.0.0)"),
        Variable("DEBUG_PORT", PORT, "debug port: /rlconfig, /stats, /metrics (6070)"),
        Variable("USE_PROMETHEUS", boolean, "open the Prometheus listener"),
        Variable("PROMETHEUS_ADDR", Address.parse, "its address (:9090)"),
        Variable("PROMETHEUS_PATH", str, "its path (/metrics)"),
        Variable("LOG_LEVEL", level, "error, warn, info, debug … (WARN)"),
        Variable("LOG_FORMAT", flags.text_of(Format), "text or json (text)"),
        Variable("CONFIG_TYPE", flags.text_of(ConfigType), "FILE or GRPC_XDS_SOTW (FILE)"),
        Variable("FORCE_START_WITHOUT_INITIAL_CONFIG", boolean, "do not wait for xDS"),
        Variable("HEALTHY_WITH_AT_LEAST_ONE_CONFIG_LOADED", boolean, "unhealthy without domains"),
        Variable("MERGE_DOMAIN_CONFIG", boolean, "join files of one domain"),
        Variable("RUNTIME_ROOT", flags.path, "(/srv/runtime_data/current)"),
        Variable("RUNTIME_SUBDIRECTORY", str, "below RUNTIME_ROOT"),
        Variable("RUNTIME_APPDIRECTORY", str, "below that: the domain files (config)"),
        Variable("RUNTIME_WATCH_ROOT", boolean, "name files from above that directory (true)"),
        Variable("RUNTIME_IGNOREDOTFILES", boolean, "pass over names with a dot in front"),
        Variable("BACKEND_TYPE", backend, "redis or, ours, memory (redis)"),
        Variable("REDIS_SOCKET_TYPE", str, "tcp or unix (unix)"),
        Variable("REDIS_TYPE", flags.text_of(RedisType), "SINGLE, SENTINEL, CLUSTER (SINGLE)"),
        Variable("REDIS_URL", str, "HOST:PORT, a socket's path, or lists of them"),
        Variable("REDIS_AUTH", str, "password, or user:password"),
        Variable("REDIS_SENTINEL_AUTH", str, "the same for Sentinel"),
        Variable("REDIS_TLS", boolean, "connect with TLS"),
        Variable("REDIS_TLS_CLIENT_CERT", flags.path, "client certificate"),
        Variable("REDIS_TLS_CLIENT_KEY", flags.path, "its key"),
        Variable("REDIS_TLS_CACERT", flags.path, "authority of the server's certificate"),
        Variable("REDIS_TIMEOUT", duration, "for an answer and a connection (350ms and 1s)"),
        Variable("REDIS_HEALTH_CHECK_ACTIVE_CONNECTION", boolean, "unhealthy without Redis"),
        Variable("SHADOW_MODE", boolean, "refuse no request"),
        Variable("QUOTA_MODE", boolean, "every limit in quota mode"),
        Variable("NEAR_LIMIT_RATIO", ratio, "of a limit, from which hits are near it (0.8)"),
        Variable("STOP_CACHE_KEY_INCREMENT_WHEN_OVERLIMIT", boolean, "count a refusal once"),
        Variable("LIMIT_RESPONSE_HEADERS_ENABLED", boolean, "RateLimit-* headers in answers"),
        Variable("LIMIT_LIMIT_HEADER", header_name, "(RateLimit-Limit)"),
        Variable("LIMIT_REMAINING_HEADER", header_name, "(RateLimit-Remaining)"),
        Variable("LIMIT_RESET_HEADER", header_name, "(RateLimit-Reset)"),
        Variable("RESPONSE_DYNAMIC_METADATA", boolean, "dynamic metadata in answers"),
        Variable("CONFIG_GRPC_XDS_SERVER_URL", str, "management server (localhost:18000)"),
        Variable("CONFIG_GRPC_XDS_NODE_ID", str, "(default)"),
        Variable("CONFIG_GRPC_XDS_NODE_METADATA", pairs("="), "key=value,key=value"),
        Variable("CONFIG_GRPC_XDS_CLIENT_ADDITIONAL_HEADERS", pairs(":"), "name:value,name:value"),
        Variable("CONFIG_GRPC_XDS_SERVER_USE_TLS", boolean, "connect with TLS"),
        Variable("CONFIG_GRPC_XDS_CLIENT_TLS_CERT", flags.path, "client certificate"),
        Variable("CONFIG_GRPC_XDS_CLIENT_TLS_KEY", flags.path, "its key"),
        Variable("CONFIG_GRPC_XDS_SERVER_TLS_CACERT", flags.path, "authority of the server's"),
        Variable("CONFIG_GRPC_XDS_SERVER_TLS_SAN", str, "the name it has to have"),
        Variable("XDS_CLIENT_BACKOFF_INITIAL_INTERVAL", duration, "between attempts (10s)"),
        Variable("XDS_CLIENT_BACKOFF_MAX_INTERVAL", duration, "(60s)"),
        Variable("XDS_CLIENT_BACKOFF_JITTER", boolean, "vary it (true)"),
        Variable("XDS_CLIENT_MAX_MSG_SIZE_IN_BYTES", BYTES, "largest response (4 MiB)"),
        Variable("TOLLHOUSE_THREADS", flags.count(0, 256), "I/O threads, 0: one per CPU (0)"),
        Variable("TOLLHOUSE_MAX_COUNTERS", COUNT, "counters held in memory (1000000)"),
        Variable("TOLLHOUSE_GRACE_SECONDS", flags.seconds(86400), "to end calls (10)"),
    )
}

_STATSD = "statistics are served for Prometheus"
_POOL = "one pipelined connection per node takes the place of the pool"
_PER_SECOND = "one Redis holds all counters"
_MEMCACHE = "there is no memcached"
_TRACING = "there is no tracing"
IGNORED = {
    **dict.fromkeys(
        ("USE_STATSD", "STATSD_HOST", "STATSD_PORT", "STATS_FLUSH_INTERVAL", "USE_DOG_STATSD",
         "USE_DOG_STATSD_MOGRIFIERS", "EXTRA_TAGS", "DISABLE_STATS", "PROMETHEUS_MAPPER_YAML",
         "PROMETHEUS_RESPONSE_TIME_AS_MILLISECONDS"),
        _STATSD,
    ),
    **dict.fromkeys(
        ("REDIS_POOL_SIZE", "REDIS_POOL_ON_EMPTY_BEHAVIOR", "REDIS_PIPELINE_WINDOW",
         "REDIS_PIPELINE_LIMIT", "REDIS_CLUSTER_PIPELINE_PARALLELISM"),
        _POOL,
    ),
    "REDIS_STARTUP_INITIAL_INTERVAL": "Redis need not be there at the start",
    "REDIS_STARTUP_MAX_INTERVAL": "Redis need not be there at the start",
    "REDIS_STARTUP_MAX_ELAPSED_TIME": "Redis need not be there at the start",
    "REDIS_TLS_SKIP_HOSTNAME_VERIFICATION": "the name in the certificate is always verified",
    "EXPIRATION_JITTER_MAX_SECONDS": "counters end with their window",
    "LOCAL_CACHE_SIZE_IN_BYTES": "a refusal asks the counter",
    "CACHE_KEY_PREFIX": "keys have a form of their own",
    "GRPC_MAX_CONNECTION_AGE": "connections are not closed by age",
    "GRPC_MAX_CONNECTION_AGE_GRACE": "connections are not closed by age",
    "XDS_CLIENT_BACKOFF_RANDOM_FACTOR": "each wait doubles the one before",
    "CONFIG_GRPC_XDS_SERVER_CONNECT_RETRY_INTERVAL": "XDS_CLIENT_BACKOFF_* say when to try again",
    **dict.fromkeys(
        ("GRPC_SERVER_TLS_CERT", "GRPC_SERVER_TLS_KEY", "GRPC_CLIENT_TLS_CACERT",
         "GRPC_CLIENT_TLS_SAN"),
        "TLS is not offered here",
    ),
}  # fmt: skip
IGNORED_FAMILIES = {
    "REDIS_PERSECOND": _PER_SECOND,
    "MEMCACHE_": _MEMCACHE,
    "TRACING_": _TRACING,
    "OTEL_": _TRACING,
}
# Values that say what happens anyway.
_NEEDLESS = dict.fromkeys(
    ("USE_STATSD", "DISABLE_STATS", "USE_DOG_STATSD", "REDIS_TLS_SKIP_HOSTNAME_VERIFICATION"),
    _FALSE,
)


def ignored(environment: Mapping[str, str]) -> tuple[str, ...]:
    """A line for each variable of the original that is set and has no effect."""
    found = []
    for name in sorted(environment):
        if name in VARIABLES or environment[name].lower() in _NEEDLESS.get(name, ()):
            continue
        families = (why for head, why in IGNORED_FAMILIES.items() if name.startswith(head))
        reason = IGNORED.get(name) or next(families, None)
        if reason is not None and environment[name]:
            found.append(f"{name} has no effect: {reason}")
    return tuple(found)
