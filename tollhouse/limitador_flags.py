"""limitador-server's command line and environment, read into settings of ours.

`[OPTIONS] LIMITS_FILE [STORAGE [OPTIONS]]`: an option belongs to the word before it, so the line is
cut at the storage and each half is read by its own parser. A flag beats its variable, and that the
default.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tollhouse import __version__, flags
from tollhouse.address import Address
from tollhouse.counters_flags import TOKEN_VARIABLE
from tollhouse.errors import UsageError
from tollhouse.flags import Flag
from tollhouse.limitador_storages import PROGRAM, STORAGES, read_storage
from tollhouse.log import Format, Level
from tollhouse.settings import RateLimitHeaders, RateLimitStatuses, RetryAfter, ServeSettings

VERSION = "2.4.0"
"""Of the limitador-server whose command line this is."""
BANNER = f"Limitador Server v{VERSION} (tollhouse {__version__})"

LEVELS = (Level.ERROR, Level.WARNING, Level.INFO, Level.DEBUG, Level.DEBUG)
"""By the number of -v."""
RUST_LEVELS = {"off": 0, "error": 0, "warn": 1, "info": 2, "debug": 3, "trace": 4}

DESCRIPTION = """\
Answer in the place of limitador-server: its command line, environment, limits file, ports, HTTP API
and metrics."""

EPILOG = """\
storages:
  memory         counters in this process, gone with it; the default
  disk           counters in this process, kept in a directory over a restart
  redis          counters on Redis, exact
  redis_cached   counters on Redis, most decisions from hits leased ahead
  Without a storage, REDIS_URL means redis, and with REDIS_LOCAL_CACHE_ENABLED=1 redis_cached.

A storage has options of its own: tollhouse limitador LIMITS_FILE STORAGE --help

exit codes:
  0    ended by SIGTERM or SIGINT, or a valid file
  1    an unreadable or invalid file, a failed bind, Redis out of reach at the start
  2    unusable command line or environment
  101  an unusable directory of the disk storage, or environment of the cached one"""


@dataclass(frozen=True, slots=True)
class LimitadorSettings:
    """directory: of the disk storage, to be there before it is used. validate: print the limits of
    the file and serve nothing. traced: traces are wished for."""

    limits: Path
    serve: ServeSettings
    directory: Path | None = None
    validate: bool = False
    traced: bool = False


def _one(text: str) -> bool:
    """Limitador's switches in the environment count only when they are 1."""
    return text == "1"


def _host(text: str) -> str:
    if not text:
        raise UsageError("an empty address")
    return text.removeprefix("[").removesuffix("]")


_PORT = flags.count(0, 65535)
LISTENERS = "listeners"
OPTIONS = "options"
FLAGS = (
    Flag("rls_ip", _host, "IP", "gRPC address", LISTENERS, "-b", environment="ENVOY_RLS_HOST"),
    Flag("rls_port", _PORT, "PORT", "gRPC port", LISTENERS, "-p", environment="ENVOY_RLS_PORT"),
    Flag("http_ip", _host, "IP", "HTTP address", LISTENERS, "-B", environment="HTTP_API_HOST"),
    Flag("http_port", _PORT, "PORT", "HTTP port", LISTENERS, "-P", environment="HTTP_API_PORT"),
    Flag(
        "rate_limit_headers",
        flags.text_of(RateLimitHeaders),
        "HEADERS",
        "X-RateLimit-* headers in answers: NONE or DRAFT_VERSION_03",
        OPTIONS,
        short="-H",
        environment="RATE_LIMIT_HEADERS",
    ),
    Flag(
        "limit_name_in_labels",
        _one,
        "",
        "put the limit's name on limited_calls",
        OPTIONS,
        short="-l",
        switch=True,
        environment="LIMIT_NAME_IN_PROMETHEUS_LABELS",
    ),
    Flag(
        "custom_metric_labels",
        flags.path,
        "FILE",
        "labels of the request counters: YAML from name to CEL over descriptors; watched",
        OPTIONS,
        short="-L",
        environment="",
    ),
    Flag(
        "metric_labels_default",
        flags.expression,
        "CEL",
        "an expression whose map gives further labels of the request counters",
        OPTIONS,
        environment="",
    ),
    Flag(
        "grpc_reflection_service",
        flags.switch,
        "",
        "offer gRPC server reflection",
        OPTIONS,
        switch=True,
        environment="",
    ),
    Flag(
        "disable_reservations",
        flags.switch,
        "",
        "do not offer Kuadrant's Reserve and Commit",
        OPTIONS,
        switch=True,
        environment="",
    ),
    Flag(
        "max_reservation_fraction",
        flags.fraction,
        "FRACTION",
        "how much of a limit one reservation may hold, above 0 and at most 1",
        OPTIONS,
        environment="",
    ),
    Flag(
        "max_reservation_ttl",
        flags.seconds(86400),
        "SECONDS",
        "how long a reservation may hold",
        OPTIONS,
        environment="",
    ),
    Flag(
        "tracing_endpoint",
        str,
        "URL",
        "without effect, told at the start: traces are not sent",
        OPTIONS,
        environment="TRACING_ENDPOINT",
    ),
    Flag(
        "structured_logs",
        flags.switch,
        "",
        "log one JSON object per line",
        OPTIONS,
        switch=True,
        environment="",
    ),
    Flag(
        "validate",
        flags.switch,
        "",
        "print the limits of the file, or what is wrong with it, and end",
        OPTIONS,
        switch=True,
        environment="",
    ),
)
DEFAULTS: dict[str, Any] = {
    "rls_ip": "0.0.0.0",
    "rls_port": 8081,
    "http_ip": "0.0.0.0",
    "http_port": 8080,
    "rate_limit_headers": RateLimitHeaders.NONE,
    "limit_name_in_labels": False,
    "custom_metric_labels": None,
    "metric_labels_default": None,
    "grpc_reflection_service": False,
    "disable_reservations": False,
    "max_reservation_fraction": 0.5,
    "max_reservation_ttl": 60.0,
    "tracing_endpoint": None,
    "structured_logs": False,
    "validate": False,
}


def parse(arguments: Sequence[str], environment: Mapping[str, str]) -> LimitadorSettings:
    """Raises UsageError, and SystemExit for --help and --version."""
    front, word, rest = _cut(arguments)
    words = vars(_parser().parse_args(front))
    given = {**DEFAULTS, **flags.values(FLAGS, words, environment)}
    limits = words["limits"] or environment.get("LIMITS_FILE")
    if not limits:
        raise UsageError("the following arguments are required: LIMITS_FILE")
    storage = read_storage(word, rest, environment)
    token = environment.get(TOKEN_VARIABLE) or None
    serve = ServeSettings(
        limits=Path(limits),
        rls_listen=Address(given["rls_ip"], given["rls_port"]),
        authz_listen=None,
        http_listen=Address(given["http_ip"], given["http_port"]),
        rate_limit_headers=given["rate_limit_headers"],
        retry_after=RetryAfter.NEVER,
        rate_limit_statuses=RateLimitStatuses.NONE,
        limit_name_in_labels=given["limit_name_in_labels"],
        custom_metric_labels=given["custom_metric_labels"],
        metric_labels_default=given["metric_labels_default"],
        disable_reservations=given["disable_reservations"],
        max_reservation_fraction=given["max_reservation_fraction"],
        max_reservation_ttl=given["max_reservation_ttl"],
        grpc_reflection=given["grpc_reflection_service"],
        http_log=True,
        log_level=_level(words["verbosity"], environment.get("RUST_LOG", "")),
        log_format=Format.JSON if given["structured_logs"] else Format.TEXT,
        admin_token=token,
        counter_changes=token is not None,
        max_counters=storage.max_counters,
        counters=storage.counters,
    )
    traced = bool(given["tracing_endpoint"])
    return LimitadorSettings(Path(limits), serve, storage.directory, given["validate"], traced)


def _parser() -> argparse.ArgumentParser:
    made = flags.Parser(
        prog=PROGRAM,
        usage=f"{PROGRAM} [OPTIONS] LIMITS_FILE [STORAGE [OPTIONS]]",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    made.add_argument(
        "limits", nargs="?", metavar="LIMITS_FILE", help="limits file; watched [LIMITS_FILE]"
    )
    made.add_argument(
        "-v",
        dest="verbosity",
        action="count",
        default=0,
        help="log warnings too; -vv information, -vvv and -vvvv everything [RUST_LOG]",
    )
    made.add_argument("-V", "--version", action="version", version=BANNER)
    flags.add(made, FLAGS, DEFAULTS)
    return made


def _cut(arguments: Sequence[str]) -> tuple[Sequence[str], str | None, Sequence[str]]:
    """(options and limits file, storage, its options). Raises UsageError for an unknown storage."""
    valued = {name for flag in FLAGS if not flag.switch for name in (flag.name, flag.short)}
    files = 0
    value = False
    for place, word in enumerate(arguments):
        if value or (word.startswith("-") and word != "-"):
            # A group of short options takes the next word when its last letter does.
            name = word if word.startswith("--") else f"-{word[-1:]}"
            value = not value and name in valued
        elif word in STORAGES:
            return arguments[:place], word, arguments[place + 1 :]
        elif files:
            raise UsageError(f"{word!r} is no storage; expected one of {', '.join(STORAGES)}")
        else:
            files += 1
    return arguments, None, ()


def _level(verbosity: int, filters: str) -> Level:
    """filters: env_logger's, of which the most talkative directive counts."""
    if verbosity >= len(LEVELS):
        raise UsageError(f"-v is given {verbosity} times; {len(LEVELS) - 1} are the most")
    if verbosity:
        return LEVELS[verbosity]
    names = (part.rpartition("=")[2].strip().lower() for part in filters.split(","))
    return LEVELS[max((RUST_LEVELS.get(name, 0) for name in names), default=0)]
