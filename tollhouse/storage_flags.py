"""Where counters live: the flags that the commands which decide share."""

from collections.abc import Mapping
from typing import Any

from _fastpath.limit_spec import Fail
from ratelimit.redis.key import HashTag
from ratelimit.redis.settings import parse_url
from tollhouse import flags
from tollhouse.errors import UsageError
from tollhouse.flags import Flag
from tollhouse.settings import RedisMode, Storage, StorageSettings

GROUP = "storage"
MOST = (1 << 31) - 1


def redis_url(text: str) -> str:
    """Reader of a URL; the error never quotes it, since it may hold a password."""
    try:
        parse_url(text)
    except ValueError as error:
        raise UsageError(str(error)) from None
    return text


_SECONDS = flags.seconds(3600, least=0.001)
STORAGE_FLAGS = (
    Flag("storage", flags.text_of(Storage), "KIND", "memory, or redis: shared by replicas", GROUP),
    Flag("state", flags.path, "FILE", "memory: keeps counters over a restart; SQLite", GROUP),
    Flag(
        "state_flush_seconds",
        flags.seconds(3600, least=0.05),
        "SECONDS",
        "how often counters are written to the state file: what a crash may lose",
        GROUP,
    ),
    Flag(
        "redis_url",
        redis_url,
        "URL",
        "redis://, rediss:// or unix://; redis+sentinel://, redis+cluster:// and with rediss",
        GROUP,
    ),
    Flag(
        "redis_mode",
        flags.text_of(RedisMode),
        "MODE",
        "exact: every decision on Redis; leased: most from hits leased ahead",
        GROUP,
    ),
    Flag(
        "redis_hash_tag",
        flags.member_of(HashTag),
        "WHAT",
        "what shares a slot of a Cluster: namespace (counters of a domain) or key (nothing)",
        GROUP,
    ),
    Flag("redis_timeout_seconds", _SECONDS, "SECONDS", "time Redis has for a batch", GROUP),
    Flag("redis_connect_timeout_seconds", _SECONDS, "SECONDS", "time connecting has", GROUP),
    Flag("redis_lease_seconds", _SECONDS, "SECONDS", "leased: how long hits are leased", GROUP),
    Flag(
        "redis_max_leases",
        flags.count(1, MOST),
        "N",
        "leased: counters that may hold leases; the others are exact",
        GROUP,
    ),
    Flag(
        "redis_required",
        flags.switch,
        "",
        "end the start with an error when Redis is out of reach",
        GROUP,
        switch=True,
    ),
    Flag(
        "redis_password_file",
        flags.path,
        "FILE",
        "password, read at every connect; beats the URL's",
        GROUP,
    ),
    Flag("redis_ca_file", flags.path, "FILE", "certificates that sign those of Redis", GROUP),
    Flag("redis_certificate_file", flags.path, "FILE", "our certificate for Redis", GROUP),
    Flag("redis_key_file", flags.path, "FILE", "its key", GROUP),
    Flag("redis_sentinel_username", str, "NAME", "ACL user at the Sentinels", GROUP),
    Flag("redis_sentinel_password_file", flags.path, "FILE", "its password", GROUP),
    Flag(
        "fail",
        flags.member_of(Fail),
        "POLICY",
        "without Redis, limits that say nothing else: closed, open, local or error",
        GROUP,
    ),
)


def read(given: Mapping[str, Any], environment: Mapping[str, str]) -> StorageSettings:
    """Raises UsageError, also for flags that do not go together."""
    settings = StorageSettings(**flags.values(STORAGE_FLAGS, given, environment))
    if settings.storage is Storage.REDIS and settings.redis_url is None:
        raise UsageError("--storage redis needs --redis-url")
    if settings.storage is Storage.MEMORY:
        # Nobody should find out late that replicas count apart.
        if settings.redis_url is not None:
            raise UsageError("--redis-url: only for --storage redis")
        if settings.redis_mode is not RedisMode.EXACT:
            raise UsageError("--redis-mode leased: only for --storage redis")
    if settings.storage is Storage.REDIS and settings.state is not None:
        raise UsageError("--state: Redis keeps its counters itself; only for --storage memory")
    if (settings.redis_certificate_file is None) != (settings.redis_key_file is None):
        raise UsageError("--redis-certificate-file and --redis-key-file go together")
    return settings
