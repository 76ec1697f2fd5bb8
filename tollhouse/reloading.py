"""Keeps sources of configuration up to date with their files."""

import asyncio
import logging
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol

from policy.file_watch import FileWatch

logger = logging.getLogger(__name__)


class Source(Protocol):
    """Something that is read from files. Its methods are called in turn, never at once."""

    async def start(self) -> None:
        """Take the files over for the first time. Raises StartError."""

    async def refresh(self) -> None:
        """Take over what is different now. Raises nothing for what the files hold."""


class Reloading:
    """Watches `paths` and refreshes all sources after each burst of changes."""

    def __init__(self, paths: Iterable[Path], sources: Sequence[Source]) -> None:
        self._watch = FileWatch(paths)
        self._sources = sources
        self._task: asyncio.Task[None] | None = None
        self.failures = 0

    async def start(self) -> None:
        """Read everything, then follow changes. The watch is older than the reading, so none is
        missed. Raises StartError."""
        for source in self._sources:
            await source.start()
        self._task = asyncio.create_task(self._follow())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        self._watch.close()

    async def _follow(self) -> None:
        async for _ in self._watch.changes():
            for source in self._sources:
                try:
                    await source.refresh()
                except Exception:  # the watch loop's edge: what is in force stays so
                    self.failures += 1
                    logger.exception("files could not be taken over")
