"""REDIS_* of envoyproxy/ratelimit as the storage settings that all commands share."""

from dataclasses import replace
from urllib.parse import quote

from _fastpath.limit_spec import Fail
from tollhouse.errors import UsageError
from tollhouse.ratelimit_settings import Backend, RatelimitSettings, RedisType, RedisVariables
from tollhouse.settings import Storage, StorageSettings

SCHEMES = {RedisType.SINGLE: "", RedisType.SENTINEL: "+sentinel", RedisType.CLUSTER: "+cluster"}


def storage_settings(settings: RatelimitSettings) -> StorageSettings:
    """A request whose counters are out of reach ends with an error, as in the original. Raises
    UsageError, without a secret in it."""
    if settings.backend is Backend.MEMORY:
        return StorageSettings(fail=Fail.ERROR)
    redis = settings.redis
    username, password = credentials(redis.sentinel_auth)
    found = StorageSettings(
        storage=Storage.REDIS,
        redis_url=redis_url(redis),
        redis_ca_file=redis.authority,
        redis_certificate_file=redis.certificate,
        redis_key_file=redis.key,
        redis_sentinel_username=username,
        redis_sentinel_password=password,
        fail=Fail.ERROR,
    )
    if redis.timeout is None:
        return found
    return replace(
        found,
        redis_timeout_seconds=redis.timeout,
        redis_connect_timeout_seconds=redis.timeout,
    )


def redis_url(redis: RedisVariables) -> str:
    """The URL that says the same. Raises UsageError."""
    scheme = ("rediss" if redis.tls else "redis") + SCHEMES[redis.type]
    if "://" in redis.url:
        return _given(redis)
    login = _login(redis.auth)
    if redis.type is RedisType.SENTINEL:
        master, comma, hosts = redis.url.partition(",")
        if not comma:
            raise UsageError("REDIS_URL: expected MASTER,HOST:PORT,… for REDIS_TYPE SENTINEL")
        return f"{scheme}://{login}{hosts}/{quote(master, safe='')}"
    if redis.type is RedisType.SINGLE and redis.socket_type.lower() == "unix":
        return f"unix://{login}{quote(redis.url)}"
    return f"{scheme}://{login}{redis.url}"


def _given(redis: RedisVariables) -> str:
    """A URL is taken as it is, with REDIS_AUTH where it names nobody."""
    scheme, _, rest = redis.url.partition("://")
    if redis.tls and scheme == "redis":
        scheme = "rediss"
    scheme += SCHEMES[redis.type]
    login = "" if "@" in rest else _login(redis.auth)
    return f"{scheme}://{login}{rest}"


def credentials(auth: str) -> tuple[str, str]:
    """User and password; a text without a colon is the password."""
    user, colon, password = auth.partition(":")
    return (user, password) if colon else ("", auth)


def _login(auth: str) -> str:
    if not auth:
        return ""
    user, password = credentials(auth)
    return f"{quote(user, safe='')}:{quote(password, safe='')}@"
