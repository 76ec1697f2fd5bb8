"""Servers on asyncio for tests that are not: they run on an event loop of a thread."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, contextmanager
from typing import Any


@contextmanager
def in_background(*servers: AbstractAsyncContextManager[Any]) -> Iterator[tuple[Any, ...]]:
    """What the servers give when they are entered, while they serve."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    stack = AsyncExitStack()

    async def entered() -> tuple[Any, ...]:
        return tuple([await stack.enter_async_context(server) for server in servers])

    try:
        yield asyncio.run_coroutine_threadsafe(entered(), loop).result(30)
    finally:
        asyncio.run_coroutine_threadsafe(stack.aclose(), loop).result(30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
