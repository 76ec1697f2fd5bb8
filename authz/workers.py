"""A few threads for work that would hold up the event loop: signatures, Rego.

What waits for a thread is bounded; past the bound the request is answered 503 at once. Results go
back in batches, so that under load the event loop is woken once for many: the futures, locks and
wake-ups of a ThreadPoolExecutor cost as much as the signature they are for.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from queue import Empty, SimpleQueue
from threading import Thread
from types import TracebackType
from typing import Any, ParamSpec, TypeVar

from authz.errors import Overloaded

P = ParamSpec("P")
T = TypeVar("T")
THREADS = 2
WAITING = 1024


class Workers:
    """Used on one event loop at a time; what runs is told by nothing but its arguments."""

    def __init__(self, threads: int = THREADS, waiting: int = WAITING) -> None:
        self._threads = threads
        self._most = threads + waiting
        self._crew: _Crew | None = None

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The function's result, or what it raises; raises Overloaded when too many wait.

        A caller that gives up leaves a function that has begun to its end.
        """
        loop = asyncio.get_running_loop()
        if self._crew is None or self._crew.loop is not loop:
            self.close()
            self._crew = _Crew(loop, self._threads)
        if self._crew.unfinished >= self._most:
            raise Overloaded
        result: T = await self._crew.hire(partial(function, *args, **kwargs))
        return result

    def close(self) -> None:
        """Threads end once they have done what they began; what waits is cancelled."""
        if self._crew is not None:
            self._crew.dismiss()
            self._crew = None


class _Job:
    """One call and, once it was made, what came of it. As a context it keeps what is raised."""

    __slots__ = ("error", "function", "future", "value")

    def __init__(self, function: Callable[[], Any], future: asyncio.Future[Any]) -> None:
        self.function = function
        self.future = future
        self.value: Any = None
        self.error: BaseException | None = None

    def __enter__(self) -> None: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        self.error = error
        return True

    def run(self) -> None:
        if not self.future.cancelled():
            with self:
                self.value = self.function()

    def tell(self) -> None:
        if self.future.done():
            return
        if self.error is None:
            self.future.set_result(self.value)
        else:
            self.future.set_exception(self.error)


class _Crew:
    """The threads of one event loop. unfinished: jobs whose results it has not seen yet."""

    def __init__(self, loop: asyncio.AbstractEventLoop, threads: int) -> None:
        self.loop = loop
        self.unfinished = 0
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._done: deque[_Job] = deque()
        self._woken = False
        self._threads = threads
        for number in range(threads):
            Thread(target=self._work, name=f"tollhouse-worker-{number}", daemon=True).start()

    def hire(self, function: Callable[[], Any]) -> asyncio.Future[Any]:
        job = _Job(function, self.loop.create_future())
        self.unfinished += 1
        self._jobs.put(job)
        return job.future

    def dismiss(self) -> None:
        with suppress(Empty, RuntimeError):  # the loop may be closed
            while job := self._jobs.get_nowait():
                job.future.cancel()
        for _ in range(self._threads):
            self._jobs.put(None)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job.run()
            self._done.append(job)
            # The loop takes all that is done whenever it wakes: one wake-up is enough.
            if not self._woken:
                self._woken = True
                with suppress(RuntimeError):  # the loop is closed, nobody waits any more
                    self.loop.call_soon_threadsafe(self._take)

    def _take(self) -> None:
        self._woken = False
        while self._done:
            self.unfinished -= 1
            self._done.popleft().tell()
