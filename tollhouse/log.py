"""Logging to standard error: one line per event, for people or as JSON."""

import json
import logging
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import TextIO


class Level(StrEnum):
    ERROR = "error"
    WARNING = "warning"
    INFO = "info"
    DEBUG = "debug"


class Format(StrEnum):
    TEXT = "text"
    JSON = "json"
    ZAP = "zap"


OURS = ("authorino", "authz", "expressions", "policy", "ratelimit", "tollhouse")
"""Loggers of ours, with all below them."""


def configure(level: Level, form: Format, stream: TextIO = sys.stderr) -> None:
    """Send the records of all loggers to `stream`; replaces what was configured before.

    DEBUG is for loggers of ours: libraries tell bodies of requests and answers at that level.
    """
    handler = logging.StreamHandler(stream)
    handler.setFormatter(FORMATTERS[form]())
    debug = level is Level.DEBUG
    others = Level.INFO if debug else level
    logging.basicConfig(level=others.upper(), handlers=[handler], force=True)
    for name in OURS:
        logging.getLogger(name).setLevel(logging.DEBUG if debug else logging.NOTSET)


def _time(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class TextFormatter(logging.Formatter):
    """`2026-01-31T12:00:00.000Z WARNING tollhouse.serve: what happened`."""

    def format(self, record: logging.LogRecord) -> str:
        # A peer or a file may have put the line break there.
        message = record.getMessage().replace("\r", "\\r").replace("\n", "\\n")
        line = f"{_time(record)} {record.levelname} {record.name}: {message}"
        fields = _fields(record)
        if fields:
            line += " " + json.dumps(fields)  # in ASCII, for terminals
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return line


class JsonFormatter(logging.Formatter):
    """One object per line: time, level, logger, message, the `fields` of the record and, for
    failures of ours, traceback."""

    names = ("time", "level", "logger", "message", "traceback")

    def format(self, record: logging.LogRecord) -> str:
        time, level, logger, message, traceback = self.names
        fields: dict[str, object] = {
            level: record.levelname.lower(),
            time: _time(record),
            logger: record.name,
            message: record.getMessage(),
            **_fields(record),
        }
        if record.exc_info:
            fields[traceback] = self.formatException(record.exc_info)
        return json.dumps(fields, ensure_ascii=False)


class ZapFormatter(JsonFormatter):
    """The same under the names that Authorino and Kubernetes' controllers have for them."""

    names = ("ts", "level", "logger", "msg", "stacktrace")


def _fields(record: logging.LogRecord) -> Mapping[str, object]:
    """What a record holds besides its message: `extra={"fields": {...}}`, JSON data."""
    fields = getattr(record, "fields", {})
    return fields if isinstance(fields, dict) else {}


FORMATTERS: Mapping[Format, type[logging.Formatter]] = {
    Format.TEXT: TextFormatter,
    Format.JSON: JsonFormatter,
    Format.ZAP: ZapFormatter,
}
