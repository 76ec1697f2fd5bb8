"""Work on threads: what comes back, how much may wait, and who gives up."""

import asyncio
import threading
from collections.abc import Iterator

import pytest

from authz.errors import Overloaded
from authz.workers import Workers


@pytest.fixture
def workers() -> Iterator[Workers]:
    workers = Workers(threads=2, waiting=3)
    yield workers
    workers.close()


async def test_results_and_errors_come_back(workers: Workers) -> None:
    assert await workers.run(divmod, 7, 2) == (3, 1)
    assert await workers.run(sorted, [2, 1], reverse=True) == [2, 1]
    with pytest.raises(ZeroDivisionError):
        await workers.run(divmod, 1, 0)
    caller = threading.current_thread()
    assert await workers.run(threading.current_thread) is not caller


async def test_what_waits_is_bounded(workers: Workers) -> None:
    release = threading.Event()
    waiting = [asyncio.create_task(workers.run(release.wait, 10)) for _ in range(5)]
    await asyncio.sleep(0)
    with pytest.raises(Overloaded):
        await workers.run(divmod, 7, 2)
    release.set()
    assert await asyncio.gather(*waiting) == [True] * 5
    assert await workers.run(divmod, 7, 2) == (3, 1)


async def test_who_gives_up_makes_room_once_the_thread_sees_it(workers: Workers) -> None:
    release, ran = threading.Event(), threading.Event()
    busy = [asyncio.create_task(workers.run(release.wait, 10)) for _ in range(2)]
    gone = [asyncio.create_task(workers.run(ran.set)) for _ in range(3)]
    await asyncio.sleep(0)
    for task in gone:
        task.cancel()
    release.set()
    await asyncio.gather(*busy)
    assert [await workers.run(divmod, 7, 2) for _ in range(6)] == [(3, 1)] * 6
    assert not ran.is_set()


async def test_many_are_all_told(workers: Workers) -> None:
    many = Workers()
    found = await asyncio.gather(*(many.run(pow, 2, number) for number in range(500)))
    assert found == [2**number for number in range(500)]
    many.close()


async def test_closing_cancels_what_waits(workers: Workers) -> None:
    release, began = threading.Event(), threading.Semaphore(0)

    def work() -> bool:
        began.release()
        return release.wait(10)

    busy = [asyncio.create_task(workers.run(work)) for _ in range(2)]
    await asyncio.sleep(0)
    for _ in busy:
        assert began.acquire(timeout=10)
    waiting = asyncio.create_task(workers.run(divmod, 7, 2))
    await asyncio.sleep(0)
    workers.close()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    release.set()
    assert await asyncio.gather(*busy) == [True, True]


def test_another_event_loop_has_threads_of_its_own(workers: Workers) -> None:
    assert asyncio.run(workers.run(divmod, 7, 2)) == (3, 1)
    assert asyncio.run(workers.run(divmod, 9, 2)) == (4, 1)
