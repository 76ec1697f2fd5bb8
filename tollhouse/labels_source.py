"""The file of metric labels: read at the start, read again when it changed."""

import asyncio
import logging
from pathlib import Path

from expressions.cel import Expression
from policy.rested_file import read_rested
from ratelimit import metric_labels
from ratelimit.errors import LimitsFileError
from ratelimit.metric_labels import ActiveLabels, MetricLabels
from tollhouse.errors import StartError

logger = logging.getLogger(__name__)


class LabelsSource:
    """One file, or none; then only `defaults` give labels.

    A file that is refused leaves in force what was, except at the start, which it ends.
    """

    def __init__(
        self, path: Path | None, defaults: Expression | None, active: ActiveLabels
    ) -> None:
        self._path = path
        self._defaults = defaults
        self._active = active
        self._seen: bytes | None = None

    async def start(self) -> None:
        """Take the file over. Raises StartError."""
        if self._path is None:
            self._take(MetricLabels({}, self._defaults))
            return
        try:
            self._seen = self._path.read_bytes()
            self._apply(self._seen)
        except OSError as error:
            reason = error.strerror
        except (LimitsFileError, UnicodeDecodeError) as error:
            reason = str(error)
        else:
            return
        raise StartError(f"Failed to load labels file: {self._path}: {reason}")

    async def refresh(self) -> None:
        """Take the file over if it is different now."""
        if self._path is None:
            return
        try:
            seen = await asyncio.to_thread(read_rested, self._path, had_content=bool(self._seen))
        except OSError as error:
            logger.error("labels stay: %s cannot be read: %s", self._path, error.strerror)
            return
        if seen == self._seen:
            return
        self._seen = seen
        try:
            self._apply(seen)
        except (LimitsFileError, UnicodeDecodeError) as error:
            logger.error("labels refused: %s", error)

    def _apply(self, data: bytes) -> None:
        labels, passed = metric_labels.parse(data.decode(), str(self._path), self._defaults)
        for problem in passed:
            logger.error("label passed over: %s", problem)
        self._take(labels)

    def _take(self, labels: MetricLabels) -> None:
        for name, reason in labels.refusals():
            logger.warning("label %s keeps requests out of the fast lane: %s", name, reason)
        self._active.apply(labels)
