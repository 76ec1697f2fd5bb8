"""`tollhouse limitador`: serves as limitador-server would, or validates a limits file as it does.

Messages that end the start go to standard error and the log to standard output, as there.
"""

import sys
from pathlib import Path

import yaml

from ratelimit import limitador_file
from ratelimit.compiled_limit import CompiledLimit
from ratelimit.errors import LimitsFileError
from tollhouse import serve
from tollhouse.errors import StartError
from tollhouse.limitador_flags import BANNER, LimitadorSettings


def run(settings: LimitadorSettings) -> int:
    """Returns the exit code. Raises StartError."""
    if settings.validate:
        print(_listed(_load(settings.limits, "Invalid limit file")))
        return 0
    print(BANNER, file=sys.stderr, flush=True)
    _load(settings.limits, "Failed to load limit file")
    return serve.run(settings.serve, log_to=sys.stdout)


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
    listed = [_fields(limit) for limit in (*file.limits, *file.repeated)]
    return yaml.safe_dump(listed, sort_keys=False, allow_unicode=True)


def _fields(compiled: CompiledLimit) -> dict[str, object]:
    limit = compiled.limit
    return {
        "id": limit.id,
        "namespace": limit.namespace,
        "max_value": limit.max_value,
        "seconds": limit.seconds,
        "name": limit.name,
        "conditions": list(limit.conditions),
        "variables": list(limit.variables),
    }
