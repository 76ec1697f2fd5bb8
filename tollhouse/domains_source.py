"""The domain files of a directory: read at the start, read again when one changed."""

import asyncio
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from policy.files import enter
from policy.rested_file import read_rested
from ratelimit.descriptors.active_domains import ActiveDomains
from ratelimit.descriptors.configuration import Domains
from ratelimit.descriptors.domain_file import parse_bytes
from ratelimit.errors import LimitsFileError, Problem
from tollhouse.ratelimit_settings import FileSettings

logger = logging.getLogger(__name__)

MOST_LOGGED = 20  # lines per configuration

Contents = Mapping[str, bytes | str]
"""By path: the content, or why there is none."""


class DomainsSource:
    """All files together are one configuration: with anything wrong in one of them, what was in
    force stays. At the start that is nothing, and every request is answered with an error."""

    def __init__(
        self, settings: FileSettings, active: ActiveDomains, applied: Callable[[], None]
    ) -> None:
        """applied: called after each configuration that is taken over."""
        self._settings = settings
        self._active = active
        self._applied = applied
        self._seen: Contents | None = None

    async def start(self) -> None:
        await self.refresh()

    async def refresh(self) -> None:
        """Take the files over if any is different now; refused, it shows in log and statistics."""
        seen = await asyncio.to_thread(self._read)
        if seen == self._seen:
            return
        self._seen = seen
        try:
            domains = await asyncio.to_thread(self._compile, seen)
        except LimitsFileError as error:
            self._active.refuse(error)
            for problem in error.problems[:MOST_LOGGED]:
                logger.error("configuration refused: %s", problem)
            return
        self._active.apply(domains)
        self._applied()
        logger.info("domains in force: %d from %s", len(domains.by_name), self._settings.folder)

    def _read(self) -> Contents:
        before = self._seen or {}
        unreadable: list[OSError] = []
        paths = domain_paths(self._settings, unreadable.append)
        found: dict[str, bytes | str] = {path: _content(path, before.get(path)) for path in paths}
        # A volume that is away for a moment must not take limits along.
        for error in unreadable:
            found[os.fspath(error.filename)] = f"cannot be read: {error.strerror}"
        if not found and not self._settings.appfolder.is_dir():
            found[str(self._settings.appfolder)] = "is no directory"
        return found

    def _compile(self, seen: Contents) -> Domains:
        files = []
        problems: list[Problem] = []
        for path, content in seen.items():
            try:
                if isinstance(content, str):
                    raise LimitsFileError([Problem(path, 1, "", content)])
                files.append(parse_bytes(content, path))
            except LimitsFileError as error:
                problems += error.problems
        if problems:
            raise LimitsFileError(problems)
        for warning in [warning for file in files for warning in file.warnings][:MOST_LOGGED]:
            logger.warning("%s", warning)
        return self._active.build(files)


def _content(path: str, before: bytes | str | None) -> bytes | str:
    try:
        return read_rested(path, had_content=isinstance(before, bytes) and before != b"")
    except OSError as error:
        return f"cannot be read: {error.strerror}"


def domain_paths(settings: FileSettings, unreadable: Callable[[OSError], None]) -> Iterator[str]:
    """The files of the configuration, in order of path.

    The inside of a mounted ConfigMap (names with two dots in front) is passed over, its links are
    followed. A name is what follows the watched folder, with dots for slashes. Folders that cannot
    be listed are told to `unreadable`.
    """
    entered: set[tuple[int, int]] = set()
    folder = str(settings.folder)
    head = f"{settings.appdirectory}." if settings.watch_root else ""
    for place, folders, names in os.walk(folder, onerror=unreadable, followlinks=True):
        if not enter(place, entered):
            folders.clear()
            continue
        hidden = "." if settings.ignore_dot_files else ".."
        folders[:] = sorted(name for name in folders if not name.startswith(hidden))
        for name in sorted(names):
            path = os.path.join(place, name)
            dotted = os.path.relpath(path, folder).replace(os.sep, ".")
            if not name.startswith(hidden) and dotted.startswith(head) and Path(path).is_file():
                yield path
