"""A few threads for work that would hold up the event loop: signatures, Rego.

What waits for a thread is bounded; past the bound the request is answered 503 at once.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import BoundedSemaphore
from typing import ParamSpec, TypeVar

from authz.errors import Overloaded

P = ParamSpec("P")
T = TypeVar("T")
THREADS = 2
WAITING = 1024


class Workers:
    """Used on the event loop; what runs is told by nothing but its arguments."""

    def __init__(self, threads: int = THREADS, waiting: int = WAITING) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="tollhouse-worker")
        self._room = BoundedSemaphore(threads + waiting)

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The function's result, or what it raises; raises Overloaded when too many wait.

        A caller that gives up leaves a function that has begun to its end.
        """
        if not self._room.acquire(blocking=False):
            raise Overloaded
        future = self._pool.submit(function, *args, **kwargs)
        future.add_done_callback(lambda _: self._room.release())
        return await asyncio.wrap_future(future)

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)
