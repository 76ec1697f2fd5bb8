"""Keeps the counters of this process in a file, so that a restart does not open every window anew.

A thread writes what changed about once a second and once more at the end. Counters are kept with
wall times: while the process is away, windows go on. What cannot be written is told once and kept
for the next time; decisions never wait for the file.
"""

import asyncio
import logging
import sqlite3
import threading
from collections.abc import Callable, Collection
from datetime import UTC, datetime
from pathlib import Path

from _fastpath.clock import Clock
from _fastpath.counters import CounterTable, SavedCounter, counter_key
from _fastpath.limit_spec import Quota
from ratelimit.state_file import DamagedFile, StateFile, set_aside
from ratelimit.store import MemoryStore

logger = logging.getLogger(__name__)

CHUNK = 1000  # rows restored at a time, with other threads' turns between
SLICE = 10_000  # entries of the table looked at in one call
EXPIRE_EVERY_NS = 60_000_000_000


class CounterState:
    """The file at `path` and the thread that writes it. All methods may be called from any thread.

    written: counters written since the start. failures: flushes that failed. unwritten: changed
    counters of the last failed flush, 0 when there was none since.
    """

    def __init__(
        self,
        path: Path,
        table: CounterTable,
        clock: Callable[[], Clock],
        flush_seconds: float = 1.0,
    ) -> None:
        self._path = path
        self._table = table
        self._clock = clock
        self._flush_seconds = flush_seconds
        self._file: StateFile | None = None
        self._changed: dict[bytes, SavedCounter] = {}
        self._removed: list[bytes] = []
        self._removed_limits: list[bytes] = []
        self._expire_at_ns = 0
        self._failing = False
        self._io = threading.Lock()  # one user of the file
        self._order = threading.Lock()  # a removal is wholly before or wholly after a walk
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None
        self.written = 0
        self.failures = 0
        self.unwritten = 0

    def restore(self, digests: Collection[bytes]) -> int:
        """Put back the counters of these limits, forget those of all others; returns how many.

        Call it once, before start(). Counters that live already are left as they are.
        """
        with self._io:
            for _ in range(2):
                try:
                    file = self._opened()
                    restored = self._restore(file, digests)
                    file.keep_only(digests)
                except DamagedFile as error:
                    if not self._set_aside(error):
                        return 0
                except (sqlite3.OperationalError, OSError) as error:
                    self._failed(error)
                    return 0
                else:
                    return restored
        return 0

    def start(self) -> None:
        """Begin to write."""
        self._thread = threading.Thread(target=self._run, name="counter-state", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Write what is left and let go of the file."""
        self._ending.set()
        if self._thread is not None:
            self._thread.join()
        self.flush()
        with self._io:
            if self._file is not None:
                try:
                    self._file.close()
                except (sqlite3.Error, DamagedFile) as error:
                    self._failed(error)
                self._file = None

    def reset(self, digest: bytes, values: tuple[str, ...]) -> bool:
        """As CounterTable.reset, and out of the file."""
        with self._order:
            self._removed.append(counter_key(digest, values))
            return self._table.reset(digest, values)

    def remove(self, digests: Collection[bytes]) -> int:
        """As CounterTable.remove, and out of the file."""
        with self._order:
            self._removed_limits += digests
            return self._table.remove(digests)

    def flush(self) -> None:
        """Write what changed since the last time."""
        with self._io:
            self._collect()
            try:
                file = self._opened()
                file.write(self._changed.values(), self._removed, self._removed_limits)
                self._expire(file)
            except DamagedFile as error:
                self._set_aside(error)
            except (sqlite3.OperationalError, OSError) as error:
                self._failed(error)
            else:
                self._succeeded()

    def _run(self) -> None:
        while not self._ending.wait(self._flush_seconds):
            try:
                self.flush()
            except Exception:  # the thread's edge: counting goes on without the file
                self.failures += 1
                logger.exception("counters could not be written")

    def _opened(self) -> StateFile:
        if self._file is None:
            self._file = StateFile(self._path)
        return self._file

    def _restore(self, file: StateFile, digests: Collection[bytes]) -> int:
        restored = 0
        for rows in file.counters(digests, CHUNK):
            try:
                restored += self._table.restore(rows, self._clock())
            except ValueError as error:
                raise DamagedFile(f"a counter of another form: {error}") from error
        return restored

    def _collect(self) -> None:
        """Take over what was removed and what changed; a removal counts against older changes."""
        with self._order:
            gone = set(self._removed_limits)
            for key in self._removed:
                self._changed.pop(key, None)
            if gone:
                for key in [key for key in self._changed if key[:16] in gone]:
                    del self._changed[key]
            clock = self._clock()
            cursor = 0
            while True:
                cursor, records = self._table.changed(clock, cursor, SLICE)
                for record in records:
                    self._changed[record.key] = record
                if not cursor:
                    break

    def _expire(self, file: StateFile) -> None:
        wall_ns = self._clock().wall_ns
        if wall_ns >= self._expire_at_ns:
            file.expire(wall_ns)
            self._expire_at_ns = wall_ns + EXPIRE_EVERY_NS

    def _succeeded(self) -> None:
        if self._failing:
            logger.info("%s: counters are written again", self._path)
        self._failing = False
        self.written += len(self._changed)
        self.unwritten = 0
        self._changed.clear()
        self._removed.clear()
        self._removed_limits.clear()

    def _failed(self, error: Exception) -> None:
        self.failures += 1
        self._forget_expired()
        self.unwritten = len(self._changed)
        if not self._failing:
            logger.warning(
                "%s: counters cannot be kept: %s; counting goes on in memory", self._path, error
            )
        self._failing = True

    def _forget_expired(self) -> None:
        """What is kept while nothing can be written stays within the table's bound, about."""
        wall_ns = self._clock().wall_ns
        for key in [k for k, c in self._changed.items() if c.expires_wall_ns <= wall_ns]:
            del self._changed[key]

    def _set_aside(self, error: DamagedFile) -> bool:
        """Begin a new file in the place of a damaged one; False when that fails too."""
        if self._file is not None:
            try:
                self._file.close()
            except (sqlite3.Error, DamagedFile):
                logger.debug("a damaged file did not close", exc_info=True)
            self._file = None
        try:
            aside = set_aside(self._path, datetime.fromtimestamp(self._clock().wall_ns / 1e9, UTC))
        except OSError as worse:
            self._failed(worse)
            return False
        self.failures += 1
        logger.error(
            "%s is damaged (%s): it is now %s, and a new one begins", self._path, error, aside
        )
        return True


class StatefulStore(MemoryStore):
    """The counters of this process with what is removed leaving the file too."""

    def __init__(
        self, table: CounterTable, clock: Callable[[], Clock], state: CounterState
    ) -> None:
        super().__init__(table, clock)
        self._state = state

    async def remove(self, digests: Collection[bytes]) -> int:
        return await asyncio.to_thread(self._state.remove, digests)

    async def reset(self, namespace: str, digest: bytes, values: tuple[str, ...]) -> bool:
        return await asyncio.to_thread(self._state.reset, digest, values)

    async def set(
        self, namespace: str, digest: bytes, quota: Quota, values: tuple[str, ...], value: int
    ) -> None:
        await self.reset(namespace, digest, values)
        await super().set(namespace, digest, quota, values, value)
