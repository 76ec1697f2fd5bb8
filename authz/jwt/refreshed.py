"""A value fetched from elsewhere in the background, and kept while elsewhere is down.

Requests take what there is, and wait only while there is nothing yet or when they have reason to
believe that there is something new. However many of them have that reason, they cause no more than
BURST fetches at once, and one per INTERVAL_S in the long run.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from authz.errors import AuthzError

log = logging.getLogger(__name__)
T = TypeVar("T")

BURST = 4
INTERVAL_S = 5.0
FIRST_RETRY_S = 1.0
LONGEST_RETRY_S = 60.0
_EARLY = (0.8, 0.95)  # of a lifetime; spread, so that values fetched together part


class FetchFailed(AuthzError):
    """Its text goes to the log; it names no credentials."""


@dataclass(frozen=True, slots=True)
class Fetched(Generic[T]):
    """lifetime_s: fetched again before it has passed; None: only when someone asks."""

    value: T
    lifetime_s: float | None


class Alarm(Protocol):
    def cancel(self) -> None: ...


class Clock(Protocol):
    """What an event loop knows of time, in seconds."""

    def time(self) -> float: ...
    def call_later(self, delay: float, callback: Callable[[], object], /) -> Alarm: ...


class Refreshed(Generic[T]):
    """Used on one event loop. `fetch` raises FetchFailed; `what` names the value in the log;
    `changed` is called whenever `current` was set. `clock`: the running event loop's when None."""

    def __init__(
        self,
        fetch: Callable[[], Awaitable[Fetched[T]]],
        what: str,
        changed: Callable[[], None] = lambda: None,
        clock: Clock | None = None,
    ) -> None:
        self._fetch = fetch
        self._what = what
        self._changed = changed
        self._given_clock = clock
        self._task: asyncio.Task[None] | None = None
        self._alarm: Alarm | None = None
        self._started = False
        self._allowance = float(BURST)  # fetches, as of the time below
        self._counted: float | None = None
        self._failures = 0
        self._closed = False
        self.current: T | None = None

    def start(self) -> None:
        """Begin with the first fetch; another time this does nothing."""
        if not self._started:
            self._begin()

    def again(self) -> None:
        """Fetch now: what the last fetch went by is out of date."""
        self._begin()

    def close(self) -> None:
        self._closed = True
        if self._alarm is not None:
            self._alarm.cancel()
        if self._task is not None:
            self._task.cancel()

    async def get(self, deadline: float | None) -> T | None:
        """The value, waiting for a fetch at most until `deadline` (time of the event loop) when
        there is none yet; None when there is still none."""
        if self.current is None:
            await self._fetched(deadline)
        return self.current

    async def renewed(self, deadline: float | None) -> T | None:
        """The value, fetched once more unless that happened too often just before."""
        await self._fetched(deadline)
        return self.current

    @property
    def renewable(self) -> bool:
        """Whether `renewed` would fetch, or wait for a fetch."""
        return self._task is not None or self._count() >= 1

    async def _fetched(self, deadline: float | None) -> None:
        if self._task is None and self._count() >= 1:
            self._allowance -= 1
            self._begin()
        if self._task is not None:
            left = (
                None if deadline is None else max(deadline - asyncio.get_running_loop().time(), 0)
            )
            # Unlike wait_for, this leaves the task to all others who wait.
            await asyncio.wait({self._task}, timeout=left)

    def _count(self) -> float:
        """Fetches that requests may cause now."""
        now = self._clock.time()
        passed = 0.0 if self._counted is None else now - self._counted
        self._counted = now
        self._allowance = min(self._allowance + passed / INTERVAL_S, BURST)
        return self._allowance

    @property
    def _clock(self) -> Clock:
        return self._given_clock or asyncio.get_running_loop()

    def _begin(self) -> None:
        if self._closed or self._task is not None:
            return
        if self._alarm is not None:
            self._alarm.cancel()
        self._started = True
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        again_s: float | None = FIRST_RETRY_S  # also after an error nobody thought of
        try:
            fetched = await self._fetch()
            again_s = fetched.lifetime_s and fetched.lifetime_s * random.uniform(*_EARLY)
            self._succeeded(fetched.value)
        except FetchFailed as error:
            again_s = self._failed(error)
        finally:
            self._task = None
            if again_s is not None and not self._closed:
                self._alarm = self._clock.call_later(again_s, self._begin)

    def _succeeded(self, value: T) -> None:
        if self._failures:
            log.info("%s: available again", self._what)
        self._failures = 0
        self.current = value
        self._changed()

    def _failed(self, error: FetchFailed) -> float:
        """Seconds until the next attempt."""
        if not self._failures:
            kept = "" if self.current is None else "; the last one stays in use"
            log.warning("%s: %s%s", self._what, error, kept)
        wait_s = min(FIRST_RETRY_S * 2.0 ** min(self._failures, 16), LONGEST_RETRY_S)
        self._failures += 1
        return wait_s * random.uniform(*_EARLY)
