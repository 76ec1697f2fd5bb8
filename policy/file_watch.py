"""Tells when configuration files may have changed, whatever way: inotify, debounced.

Watched are directories, never files, because a rename puts a new file under the old name: the
directories of every name that takes part in resolving a configured path, so that a swapped symlink
anywhere on the way is seen, as is a write to the file behind it; and for a directory all below it.
The set is made anew after every burst.

A notice says that something may be different; who gets it reads the files and compares.
"""

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path

from asyncinotify import Event, Inotify, Mask, Watch

from policy.settling import Settling
from policy.watch_places import Place, places

logger = logging.getLogger(__name__)

SELF = Mask.DELETE_SELF | Mask.MOVE_SELF | Mask.ONLYDIR
NAMES = SELF | Mask.CREATE | Mask.DELETE | Mask.MOVED_FROM | Mask.MOVED_TO
WRITES = Mask.MODIFY | Mask.CLOSE_WRITE
CONTENTS = NAMES | WRITES | Mask.ATTRIB
POLL_SECONDS = 1.0


class FileWatch:
    """Notices for `paths`, which need not exist. Made and used on the event loop.

    Where the system grants no inotify there is a notice every second. `clock` is CLOCK_MONOTONIC in
    nanoseconds.
    """

    def __init__(
        self,
        paths: Iterable[Path],
        settling: Settling | None = None,
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._paths = tuple(paths)
        self._settling = settling or Settling()
        self._clock = clock
        self._watches: dict[str, tuple[Watch, Mask]] = {}
        self._places: dict[str, Place] = {}
        self._arrived = asyncio.Event()
        self._inotify: Inotify | None = None
        try:
            self._inotify = Inotify(cache_size=64)
        except OSError as error:
            logger.warning("files are looked at every second: no inotify: %s", error.strerror)
        else:
            self._refresh(self._inotify)

    def close(self) -> None:
        if self._inotify is not None:
            self._inotify.close()

    async def changes(self) -> AsyncIterator[None]:
        """One item per burst of changes, once the files may be read. Runs for ever."""
        if self._inotify is None:
            while True:
                await asyncio.sleep(POLL_SECONDS)
                yield
        # Read by a task of its own: cancelling a read for a timeout could lose events.
        reader = asyncio.create_task(self._read(self._inotify))
        try:
            while True:
                await self._settled(reader)
                self._settling.read()
                self._refresh(self._inotify)
                yield
        finally:
            reader.cancel()

    async def _settled(self, reader: "asyncio.Task[None]") -> None:
        while True:
            self._arrived.clear()
            if reader.done():
                reader.result()
            due = self._settling.due_ns()
            if due is None:
                await self._arrived.wait()
                continue
            left = (due - self._clock()) / 1e9
            if left <= 0:
                return
            try:
                async with asyncio.timeout(left):
                    await self._arrived.wait()
            except TimeoutError:
                continue

    async def _read(self, inotify: Inotify) -> None:
        try:
            async for event in inotify:
                if self._take(event):
                    self._arrived.set()
        finally:
            self._arrived.set()

    def _take(self, event: Event) -> bool:
        """Feed one event to the debounce; False for one that does not matter."""
        now = self._clock()
        if Mask.Q_OVERFLOW in event.mask or event.watch is None:
            self._settling.changed(now)
            return True
        folder = str(event.watch.path)
        if event.name is None:
            return self._lost(folder, event, now)
        name, write = str(event.name), bool(event.mask & WRITES)
        place = self._places.get(folder)
        if place is None or not place.concerns(name, write):
            return False
        file = os.path.join(folder, name)
        if Mask.MODIFY in event.mask:
            self._settling.written(file, now)
        elif event.mask & (Mask.CLOSE_WRITE | Mask.DELETE | Mask.MOVED_FROM):
            self._settling.closed(file, now)
        else:
            self._settling.changed(now)
        return True

    def _lost(self, folder: str, event: Event, now: int) -> bool:
        """A watched directory was deleted or moved; its path may stand for another one now."""
        known = self._watches.get(folder)
        gone = event.mask & (Mask.DELETE_SELF | Mask.MOVE_SELF | Mask.IGNORED)
        if not gone or known is None or known[0] is not event.watch:
            return False
        del self._watches[folder]
        if Mask.MOVE_SELF in event.mask:
            self._unwatch(known[0])
        self._settling.changed(now)
        return True

    def _refresh(self, inotify: Inotify) -> None:
        """Watch what matters now; once more whenever that brought in a new directory."""
        grown = True
        while grown:
            self._places = places(self._paths)
            for folder in self._watches.keys() - self._places.keys():
                self._unwatch(self._watches.pop(folder)[0])
            new = [self._watch(inotify, folder, place) for folder, place in self._places.items()]
            grown = any(new)

    def _unwatch(self, watch: Watch) -> None:
        if self._inotify is not None:
            # Fails when it went with its directory.
            with contextlib.suppress(OSError):
                self._inotify.rm_watch(watch)

    def _watch(self, inotify: Inotify, folder: str, place: Place) -> bool:
        """Whether the directory was not watched so far and now is."""
        mask = CONTENTS if place.contents else NAMES
        known = self._watches.get(folder)
        if known is not None and known[1] == mask:
            return False
        try:
            self._watches[folder] = inotify.add_watch(folder, mask), mask
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError as error:
            logger.warning("changes in %s will not be seen: %s", folder, error.strerror)
            return False
        return known is None
