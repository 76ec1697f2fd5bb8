"""The storages of limitador-server, each with the options and variables it has there."""

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from _fastpath.limit_spec import Fail
from tollhouse import flags
from tollhouse.errors import UsageError
from tollhouse.flags import Flag
from tollhouse.settings import RedisMode, ServeSettings, Storage, StorageSettings

PROGRAM = "tollhouse limitador"
STATE_FILE = "counters.sqlite"
MOST = (1 << 31) - 1

DISTRIBUTED = (
    "the storage 'distributed' is not offered; replicas count together through one Redis:"
    " 'redis URL' counts exactly, 'redis_cached URL' without a round trip per decision"
)


@dataclass(frozen=True, slots=True)
class LimitadorStorage:
    """directory: of the disk storage, which makes it when it is used."""

    counters: StorageSettings
    max_counters: int = ServeSettings().max_counters
    directory: Path | None = None


class UnusableEnvironment(UsageError):
    """Of the storage that the environment chose."""

    exit_code = 101  # limitador-server's there


class Optimize(StrEnum):
    """What RocksDB was to save; SQLite serves both."""

    THROUGHPUT = "throughput"
    DISK = "disk"


Environment = Mapping[str, str]
Read = Callable[[Sequence[str], Environment], LimitadorStorage]


def read_storage(
    word: str | None, arguments: Sequence[str], environment: Environment
) -> LimitadorStorage:
    """The storage of this word, else that of the environment. Raises UsageError, and SystemExit
    for --help."""
    if word is not None:
        return STORAGES[word](arguments, environment)
    word = "memory"
    if environment.get("REDIS_URL"):
        cached = environment.get("REDIS_LOCAL_CACHE_ENABLED") == "1"
        word = "redis_cached" if cached else "redis"
    try:
        return STORAGES[word]((), environment)
    except UsageError as error:
        raise UnusableEnvironment(str(error)) from error


def _memory(arguments: Sequence[str], environment: Environment) -> LimitadorStorage:
    most = flags.count(1, MOST)
    text = "counters held at once; past it those nearest their expiry go"
    cache = Flag("cache", most, "N", text, "options", short="-c", environment="")
    parser = _parser("memory", "Counters in this process, gone with it.")
    default = ServeSettings().max_counters
    found = _read(parser, (cache,), {"cache": default}, arguments, environment)
    return LimitadorStorage(StorageSettings(fail=Fail.ERROR), found["cache"])


def _disk(arguments: Sequence[str], environment: Environment) -> LimitadorStorage:
    text = "throughput or disk; without effect, one file serves both"
    optimize = Flag(
        "optimize", flags.text_of(Optimize), "GOAL", text, "options", environment="DISK_OPTIMIZE"
    )
    parser = _parser("disk", f"Counters in this process, kept in PATH/{STATE_FILE} over a restart.")
    _positional(parser, "PATH", "a directory; made when it is not there", "DISK_PATH")
    found = _read(parser, (optimize,), {"optimize": "throughput"}, arguments, environment)
    directory = Path(_given(found, "PATH", "DISK_PATH", environment))
    return LimitadorStorage(
        StorageSettings(state=directory / STATE_FILE, fail=Fail.ERROR), directory=directory
    )


def _redis(arguments: Sequence[str], environment: Environment) -> LimitadorStorage:
    parser = _parser("redis", "Counters on Redis; every decision is exact.")
    _positional(parser, "URL", "redis://, rediss:// or unix:// and more", "REDIS_URL")
    found = _read(parser, (), {}, arguments, environment)
    return LimitadorStorage(
        StorageSettings(
            storage=Storage.REDIS,
            redis_url=_given(found, "URL", "REDIS_URL", environment),
            redis_required=True,
            fail=Fail.ERROR,
        )
    )


_MILLISECONDS = flags.count(1, 3_600_000)
CACHED_FLAGS = (
    Flag(
        "batch_size",
        flags.count(1, MOST),
        "N",
        "without effect: batches grow and shrink with the load",
        "options",
        environment="REDIS_LOCAL_CACHE_BATCH_SIZE",
    ),
    Flag(
        "flush_period",
        _MILLISECONDS,
        "MS",
        "how long leased hits may be kept, in milliseconds",
        "options",
        environment="REDIS_LOCAL_CACHE_FLUSHING_PERIOD_MS",
    ),
    Flag(
        "max_cached",
        flags.count(1, MOST),
        "N",
        "counters that may hold leases; the others are decided on Redis",
        "options",
        environment="",
    ),
    Flag(
        "response_timeout",
        _MILLISECONDS,
        "MS",
        "how long Redis may take, in milliseconds; then each replica counts alone",
        "options",
        environment="",
    ),
)
CACHED_DEFAULTS = {
    "batch_size": 100,
    "flush_period": 1000,
    "max_cached": 10_000,
    "response_timeout": 350,
}


def _redis_cached(arguments: Sequence[str], environment: Environment) -> LimitadorStorage:
    parser = _parser("redis_cached", "Counters on Redis, most decisions from hits leased ahead.")
    _positional(parser, "URL", "redis://, rediss:// or unix:// and more", "REDIS_URL")
    found = _read(parser, CACHED_FLAGS, CACHED_DEFAULTS, arguments, environment)
    return LimitadorStorage(
        StorageSettings(
            storage=Storage.REDIS,
            redis_url=_given(found, "URL", "REDIS_URL", environment),
            redis_mode=RedisMode.LEASED,
            redis_timeout_seconds=found["response_timeout"] / 1000,
            redis_lease_seconds=found["flush_period"] / 1000,
            redis_max_leases=found["max_cached"],
            redis_required=True,
            fail=Fail.LOCAL,
        )
    )


def _distributed(arguments: Sequence[str], environment: Environment) -> LimitadorStorage:
    raise UsageError(DISTRIBUTED)


STORAGES: dict[str, Read] = {
    "memory": _memory,
    "disk": _disk,
    "redis": _redis,
    "redis_cached": _redis_cached,
    "distributed": _distributed,
}


def _parser(name: str, description: str) -> argparse.ArgumentParser:
    return flags.Parser(
        prog=f"{PROGRAM} LIMITS_FILE {name}",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )


def _positional(parser: argparse.ArgumentParser, name: str, text: str, variable: str) -> None:
    parser.add_argument(name, nargs="?", help=f"{text} [{variable}]")


def _read(
    parser: argparse.ArgumentParser,
    table: Sequence[Flag],
    defaults: Mapping[str, Any],
    arguments: Sequence[str],
    environment: Environment,
) -> dict[str, Any]:
    flags.add(parser, table, defaults)
    given = vars(parser.parse_args(arguments))
    return {**given, **defaults, **flags.values(table, given, environment)}


def _given(found: Mapping[str, Any], name: str, variable: str, environment: Environment) -> str:
    text: str | None = found[name] or environment.get(variable)
    if not text:
        raise UsageError(f"the following arguments are required: {name}")
    return text
