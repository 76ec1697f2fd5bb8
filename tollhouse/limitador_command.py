"""`tollhouse limitador`: serves as limitador-server would, or validates a limits file as it does.

Messages that end the start go to standard error and the log to standard output, as there.
"""

import logging
import re
import sys
from pathlib import Path

import yaml

from ratelimit import limitador_file
from ratelimit.errors import LimitsFileError
from ratelimit.limit_json import limit_json
from tollhouse import log, serve
from tollhouse.errors import RedisUnreachable, StartError
from tollhouse.limitador_flags import BANNER, LimitadorSettings

logger = logging.getLogger(__name__)

NO_TRACES = (
    "--tracing-endpoint has no effect: traces are not sent, Envoy's own spans show every call"
)


class UnusableDirectory(StartError):
    """Of the disk storage."""

    exit_code = 101  # limitador-server's there


def run(settings: LimitadorSettings) -> int:
    """Returns the exit code. Raises StartError."""
    if settings.validate:
        print(_listed(_load(settings.limits, "Invalid limit file")))
        return 0
    print(BANNER, file=sys.stderr, flush=True)
    if settings.traced:
        print(NO_TRACES, file=sys.stderr, flush=True)
    _load(settings.limits, "Failed to load limit file")
    if settings.directory is not None:
        _make(settings.directory)
    log.configure(settings.serve.log_level, settings.serve.log_format, sys.stdout)
    url = settings.serve.counters.redis_url
    try:
        if url is not None:
            logger.info("counters are on Redis at %s", masked(url))
        return serve.run(settings.serve, log_to=sys.stdout)
    except RedisUnreachable as error:
        raise StartError(f"Failed to connect to Redis at {masked(url or '')}: {error}") from error


def masked(url: str) -> str:
    """A URL that may be shown: four stars in the place of its password."""
    return re.sub(r"^([a-z+]+://[^:@/]*:).*@", r"\1****@", url)


def _make(directory: Path) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        text = f"{directory}: cannot hold the counters: {error.strerror}"
        raise UnusableDirectory(text) from error


def _load(path: Path, complaint: str) -> limitador_file.LimitsFile:
    """Read the file to say under Limitador's words what is wrong with it. Raises StartError."""
    try:
        path.open("rb").close()
    except OSError as error:
        text = f"{complaint}: Couldn't read file '{path}': {error.strerror}"
        raise StartError(text) from error
    try:
        return limitador_file.load(str(path))
    except LimitsFileError as error:
        raise StartError(f"{complaint}: Couldn't parse: {error}") from error


def _listed(file: limitador_file.LimitsFile) -> str:
    listed = [limit_json(compiled.limit) for compiled in (*file.limits, *file.repeated)]
    return yaml.safe_dump(listed, sort_keys=False, allow_unicode=True)
