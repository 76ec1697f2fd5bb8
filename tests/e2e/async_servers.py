"""Servers of the tests that need an event loop, beside tests that have none."""

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import Any, TypeVar

T = TypeVar("T")
PATIENCE_S = 20


@contextmanager
def on_own_loop(server: AbstractAsyncContextManager[T]) -> Iterator[T]:
    """The server on an event loop with a thread of its own, which runs meanwhile."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    def wait(work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, loop).result(PATIENCE_S)

    async def enter() -> T:
        return await server.__aenter__()

    async def leave() -> Any:
        await server.__aexit__(None, None, None)

    try:
        entered = wait(enter())
        try:
            yield entered
        finally:
            wait(leave())
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
