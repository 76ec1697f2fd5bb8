"""The limits in force: taking over new ones, remembering those that queued requests still need.

Used on the event loop. Counters live outside of the configuration, keyed by the identity of their
limit, so they survive a change of everything else.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Collection
from datetime import UTC, datetime

from _fastpath.cells import Series
from _fastpath.handler import Unit
from ratelimit.configuration import Configuration, build
from ratelimit.errors import LimitsFileError, Problem, StoreUnavailable
from ratelimit.limitador_file import LimitsFile
from ratelimit.store import CounterStore

logger = logging.getLogger(__name__)

KEEP_NS = 60_000_000_000  # longer than a deferred request may wait in any queue
Publish = Callable[[Unit], int]


class ActiveLimits:
    """Holds the newest configuration and, for KEEP_NS, those before it.

    publish: puts a limit index into the native plan and returns the plan's generation.
    """

    def __init__(
        self,
        store: CounterStore,
        series: Series,
        publish: Publish,
        *,
        mono_ns: Callable[[], int] = time.monotonic_ns,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._store = store
        self._series = series
        self._publish = publish
        self._mono_ns = mono_ns
        self._now = now
        self._changing = asyncio.Lock()
        self._loaded = False
        self._current = build((), (), series)
        # (first generation, configuration, monotonic time at which it was replaced), by generation
        self._older: list[tuple[int, Configuration, int]] = []
        self._since = 0
        self.started_at = now()
        self.applied_at = self.started_at
        self.version = 0
        self.errors_since = 0
        self.problems: tuple[Problem, ...] = ()

    @property
    def loaded(self) -> bool:
        """Whether there was a first configuration; nothing may be decided before."""
        return self._loaded

    @property
    def current(self) -> Configuration:
        return self._current

    def at(self, generation: int) -> Configuration:
        """What a plan of this generation held; the newest for 0 and for one too old to know."""
        if generation == 0 or generation >= self._since:
            return self._current
        for since, configuration, _ in reversed(self._older):
            if generation >= since:
                return configuration
        return self._current

    async def apply(self, source: LimitsFile) -> None:
        """Publish all of it at once, then delete the counters of limits that are gone.

        A limit that keeps its identity keeps its counters. Calls take effect in turn. The first
        call has version 0, as in Limitador.
        """
        async with self._changing:
            configuration = build(source.limits, source.warnings, self._series, self._current)
            replaced = self._current
            generation = self._publish(configuration.unit)
            now_ns = self._mono_ns()
            self._older = [old for old in self._older if now_ns - old[2] < KEEP_NS]
            self._older.append((self._since, replaced, now_ns))
            self._since = generation
            self._current = configuration
            self.version += self._loaded
            self._loaded = True
            self.applied_at = self._now()
            self.errors_since = 0
            self.problems = ()
            gone = replaced.by_digest.keys() - configuration.by_digest.keys()
            if gone:
                await self._forget(gone)

    async def _forget(self, gone: Collection[bytes]) -> None:
        try:
            await self._store.remove(gone)
        except StoreUnavailable as error:
            # They expire; a limit that comes back before goes on where it was.
            logger.warning("counters of %d limits that are gone stay: %s", len(gone), error)

    def refuse(self, error: LimitsFileError) -> None:
        """Note a file that was refused; what was in force stays."""
        self.errors_since += 1
        self.problems = error.problems
