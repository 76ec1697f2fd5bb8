"""Calls that run at once until one of them ends the matter."""

import asyncio
from collections.abc import AsyncGenerator, Coroutine, Sequence
from typing import Any, TypeVar

T = TypeVar("T")


async def race(calls: Sequence[Coroutine[Any, Any, T]]) -> AsyncGenerator[tuple[int, T], None]:
    """Number and result of each call as it ends, those that end together in order.

    Whoever stops listening must close the iterator (`contextlib.aclosing`): that cancels the calls
    which still run and waits for them. An exception of a call is raised here and ends the race.
    """
    if len(calls) == 1:
        yield 0, await calls[0]
        return
    tasks = {asyncio.ensure_future(call): number for number, call in enumerate(calls)}
    waiting = set(tasks)
    try:
        while waiting:
            done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for task in sorted(done, key=tasks.__getitem__):
                yield tasks[task], task.result()
    finally:
        for task in waiting:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
