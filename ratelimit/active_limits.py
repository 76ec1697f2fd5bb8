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
from ratelimit.generations import Generations
from ratelimit.limitador_file import LimitsFile
from ratelimit.store import CounterStore

logger = logging.getLogger(__name__)

Publish = Callable[[Unit], int]


class ActiveLimits:
    """Holds the newest configuration and, for a while, those before it.

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
        self._generations = Generations(build((), (), series))
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
        return self._generations.current

    def at(self, generation: int) -> Configuration:
        """What a plan of this generation held; the newest for 0 and for one too old to know."""
        return self._generations.at(generation)

    async def apply(self, source: LimitsFile) -> None:
        """Publish all of it at once, then delete the counters of limits that are gone.

        A limit that keeps its identity keeps its counters. Calls take effect in turn. The first
        call has version 0, as in Limitador.
        """
        async with self._changing:
            replaced = self.current
            configuration = build(source.limits, source.warnings, self._series, replaced)
            generation = self._publish(configuration.unit)
            self._generations.replace(configuration, generation, self._mono_ns())
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
