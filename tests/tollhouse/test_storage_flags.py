"""Where counters live, as the command line says it, and how limitador's storages say it."""

from dataclasses import fields
from pathlib import Path

import pytest

from _fastpath.limit_spec import Fail
from ratelimit.redis.key import HashTag
from tollhouse import cli
from tollhouse.errors import RedisUnreachable, UsageError
from tollhouse.limitador_command import masked
from tollhouse.limitador_flags import parse
from tollhouse.redis_storage import redis_settings
from tollhouse.settings import RedisMode, ServeSettings, Storage, StorageSettings
from tollhouse.storage_flags import STORAGE_FLAGS

URL = "redis://127.0.0.1:1"
EXAMPLES = {
    "storage": ("redis", Storage.REDIS),
    "state": ("f", Path("f")),
    "state_flush_seconds": ("0.5", 0.5),
    "redis_url": (URL, URL),
    "redis_mode": ("leased", RedisMode.LEASED),
    "redis_hash_tag": ("KEY", HashTag.KEY),
    "redis_timeout_seconds": ("0.5", 0.5),
    "redis_connect_timeout_seconds": ("2", 2.0),
    "redis_lease_seconds": ("3", 3.0),
    "redis_max_leases": ("4", 4),
    "redis_required": ("true", True),
    "redis_password_file": ("p", Path("p")),
    "redis_ca_file": ("c", Path("c")),
    "redis_sentinel_username": ("u", "u"),
    "redis_sentinel_password_file": ("s", Path("s")),
    "fail": ("open", Fail.OPEN),
}
PAIRED = {"redis_certificate_file", "redis_key_file"}
WITHOUT_FLAG = {"redis_sentinel_password"}  # a command line is for all to see


def storage(*arguments: str, **environment: str) -> StorageSettings:
    settings = cli.parse(["serve", *arguments], environment)
    assert isinstance(settings, ServeSettings)
    return settings.counters


def limitador(*arguments: str, **environment: str) -> StorageSettings:
    return parse(["l.yaml", *arguments], environment).serve.counters


def test_every_setting_has_a_flag() -> None:
    settings = {field.name for field in fields(StorageSettings)}
    assert settings - WITHOUT_FLAG == {flag.field for flag in STORAGE_FLAGS}
    assert settings == EXAMPLES.keys() | PAIRED | WITHOUT_FLAG


@pytest.mark.parametrize("name", EXAMPLES)
def test_flag_and_variable_set_the_same(name: str) -> None:
    (flag,) = (flag for flag in STORAGE_FLAGS if flag.field == name)
    text, value = EXAMPLES[name]
    together = {"storage", "redis_url", "redis_mode"}
    on_redis = {"TOLLHOUSE_STORAGE": "redis", "TOLLHOUSE_REDIS_URL": URL}
    beside = on_redis if name in together else {}
    words = [flag.name] if flag.switch else [flag.name, text]
    assert getattr(storage(*words, **beside), name) == value
    assert getattr(storage(**{**beside, flag.variable: text}), name) == value
    assert getattr(StorageSettings(), name) != value


def test_limits_refuse_without_their_counters_by_default() -> None:
    assert storage().fail is Fail.CLOSED
    assert limitador().fail is Fail.ERROR


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--storage", "redis"], "--redis-url"),
        (["--redis-url", URL], "--storage redis"),
        (["--redis-mode", "leased"], "--storage redis"),
        (["--storage", "redis", "--redis-url", URL, "--state", "f"], "--state"),
        (["--state-flush-seconds", "0"], "--state-flush-seconds"),
        (["--redis-url", "http://u:secret@h"], "--redis-url"),
        (["--redis-certificate-file", "c"], "--redis-key-file"),
        (["--redis-timeout-seconds", "0"], "--redis-timeout-seconds"),
        (["--fail", "ajar"], "--fail"),
    ],
)
def test_unusable_flags_are_named(words: list[str], named: str) -> None:
    with pytest.raises(UsageError, match=named) as refused:
        storage(*words)
    assert "secret" not in str(refused.value)


def test_secret_is_not_shown() -> None:
    settings = storage("--storage", "redis", "--redis-url", "redis://u:secret@h")
    assert "secret" not in repr(settings)
    assert masked("redis://u:se:c@ret@h:1/2") == "redis://u:****@h:1/2"
    assert masked("redis+sentinel://:secret@a,b/m") == "redis+sentinel://:****@a,b/m"
    assert masked("redis://h") == "redis://h"


def test_exact_redis_of_limitador() -> None:
    assert limitador("redis", URL) == StorageSettings(
        storage=Storage.REDIS, redis_url=URL, redis_required=True, fail=Fail.ERROR
    )


def test_cached_redis_of_limitador() -> None:
    words = ["--flush-period", "200", "--max-cached", "9", "--response-timeout", "50"]
    expected = StorageSettings(
        storage=Storage.REDIS,
        redis_url=URL,
        redis_mode=RedisMode.LEASED,
        redis_timeout_seconds=0.05,
        redis_lease_seconds=0.2,
        redis_max_leases=9,
        redis_required=True,
        fail=Fail.LOCAL,
    )
    assert limitador("redis_cached", URL, "--batch-size", "7", *words) == expected
    assert limitador("redis_cached", *words, REDIS_URL=URL) == expected


def test_environment_chooses_a_storage() -> None:
    assert limitador(REDIS_URL=URL).redis_mode is RedisMode.EXACT
    assert limitador(REDIS_URL=URL).storage is Storage.REDIS
    cached = limitador(
        REDIS_URL=URL, REDIS_LOCAL_CACHE_ENABLED="1", REDIS_LOCAL_CACHE_FLUSHING_PERIOD_MS="500"
    )
    assert (cached.redis_mode, cached.redis_lease_seconds) == (RedisMode.LEASED, 0.5)
    assert limitador(REDIS_URL=URL, REDIS_LOCAL_CACHE_ENABLED="yes").redis_mode is RedisMode.EXACT
    assert limitador("memory", REDIS_URL=URL).storage is Storage.MEMORY


def test_unusable_number_in_the_environment_ends_as_in_limitador() -> None:
    given = {"REDIS_URL": URL, "REDIS_LOCAL_CACHE_BATCH_SIZE": "many"}
    with pytest.raises(UsageError, match="REDIS_LOCAL_CACHE_BATCH_SIZE") as refused:
        limitador(REDIS_LOCAL_CACHE_ENABLED="1", **given)
    assert refused.value.exit_code == 101
    with pytest.raises(UsageError) as refused:
        limitador("redis_cached", **given)
    assert refused.value.exit_code == 2


def test_disk_of_limitador() -> None:
    settings = parse(["l.yaml", "disk", "/data", "--optimize", "disk"], {})
    assert settings.directory == Path("/data")
    assert settings.serve.counters.state == Path("/data/counters.sqlite")
    assert limitador("disk", DISK_PATH="/other").state == Path("/other/counters.sqlite")


def test_unusable_redis_is_told_without_its_url() -> None:
    with pytest.raises(RedisUnreachable) as refused:
        redis_settings(StorageSettings(redis_url="http://u:secret@h"))
    assert "secret" not in str(refused.value)
