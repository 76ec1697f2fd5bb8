"""The limits file: read at the start, read again when it changed."""

import asyncio
import logging
from pathlib import Path

from _fastpath.limit_spec import Fail
from policy.rested_file import read_rested
from ratelimit import limitador_file
from ratelimit.active_limits import ActiveLimits
from ratelimit.errors import LimitsFileError, Problem
from ratelimit.limitador_file import LimitsFile
from tollhouse.errors import StartError

logger = logging.getLogger(__name__)

MOST_LOGGED = 20  # lines per file; /status has the rest


class LimitsSource:
    """One file in Limitador's format; without a path there are no limits.

    A file that is refused leaves in force what was, except at the start, which it ends.
    """

    def __init__(self, path: Path | None, active: ActiveLimits, *, fail: Fail = Fail.ERROR) -> None:
        """fail: of limits that do not say what they do without their counters."""
        self._path = path
        self._fail = fail
        self._active = active
        # What the last attempt saw: the content, or why there was none.
        self._seen: bytes | str | None = None

    async def start(self) -> None:
        """Take the file over. Raises StartError."""
        if self._path is None:
            await self._active.apply(LimitsFile(""))
            return
        try:
            self._seen = self._path.read_bytes()
            await self._apply(self._seen)
        except OSError as error:
            raise StartError(f"{self._path}: cannot be read: {error.strerror}") from error
        except LimitsFileError as error:
            raise StartError(f"the limits file is refused\n{error}") from error

    async def refresh(self) -> None:
        """Take the file over if it is different now; refused, it shows in log and status."""
        if self._path is None:
            return
        seen: bytes | str
        try:
            had_content = isinstance(self._seen, bytes) and self._seen != b""
            seen = await asyncio.to_thread(read_rested, self._path, had_content=had_content)
        except FileNotFoundError:
            # As in Limitador a file that goes takes nothing with it; writing it again is read.
            if self._seen is not None:
                logger.warning("%s is gone; its limits stay", self._path)
            self._seen = None
            return
        except OSError as error:
            seen = f"cannot be read: {error.strerror}"
        if seen == self._seen:
            return
        self._seen = seen
        try:
            if isinstance(seen, str):
                raise LimitsFileError([Problem(str(self._path), 1, "", seen)])
            await self._apply(seen)
        except LimitsFileError as error:
            self._active.refuse(error)
            for problem in error.problems[:MOST_LOGGED]:
                logger.error("limits refused: %s", problem)

    async def _apply(self, data: bytes) -> None:
        source = await asyncio.to_thread(
            limitador_file.parse_bytes, data, str(self._path), default_fail=self._fail
        )
        for warning in source.warnings[:MOST_LOGGED]:
            logger.warning("%s", warning)
        await self._active.apply(source)
        logger.info("limits in force: %d from %s", len(source.limits), self._path)
