"""Logging to standard error: one line per event, for people or as JSON."""

import json
import logging
import sys
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


def configure(level: Level, form: Format, stream: TextIO = sys.stderr) -> None:
    """Send the records of all loggers to `stream`; replaces what was configured before."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter() if form is Format.JSON else TextFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    # The event loop tells at DEBUG that it uses epoll; nobody needs that per start.
    logging.getLogger("asyncio").setLevel(logging.WARNING)


def _time(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class TextFormatter(logging.Formatter):
    """`2026-01-31T12:00:00.000Z WARNING tollhouse.serve: what happened`."""

    def format(self, record: logging.LogRecord) -> str:
        # A peer or a file may have put the line break there.
        message = record.getMessage().replace("\r", "\\r").replace("\n", "\\n")
        line = f"{_time(record)} {record.levelname} {record.name}: {message}"
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return line


class JsonFormatter(logging.Formatter):
    """One object per line: time, level, logger, message and, for failures of ours, traceback."""

    def format(self, record: logging.LogRecord) -> str:
        fields = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            fields["traceback"] = self.formatException(record.exc_info)
        return json.dumps(fields, ensure_ascii=False)
