"""Fetching in the background: when, how often, and who waits."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from authz.jwt.refreshed import BURST, INTERVAL_S, Fetched, FetchFailed, Refreshed
from tests.authz.jwt.fake_clock import FakeClock, settled


class Origin:
    """Gives what a test says, or hangs until it is told."""

    def __init__(self) -> None:
        self.answers: list[Any] = []
        self.fetches = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.value: Any = "first"
        self.lifetime_s: float | None = 100.0
        self.broken = False

    async def fetch(self) -> Fetched[Any]:
        self.fetches += 1
        await self.gate.wait()
        if self.broken:
            raise FetchFailed("broken")
        return Fetched(self.value, self.lifetime_s)


@pytest.fixture
def origin() -> Origin:
    return Origin()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def value(origin: Origin, clock: FakeClock) -> AsyncIterator[Refreshed[Any]]:
    refreshed = Refreshed(origin.fetch, "the value", clock=clock)
    yield refreshed
    refreshed.close()
    await settled()


async def test_first_fetch_begins_at_start_and_happens_once(
    origin: Origin, value: Refreshed[Any]
) -> None:
    value.start()
    value.start()
    assert await asyncio.gather(*(value.get(None) for _ in range(50))) == ["first"] * 50
    assert origin.fetches == 1


async def test_fetched_again_before_it_expires(
    origin: Origin, clock: FakeClock, value: Refreshed[Any]
) -> None:
    value.start()
    await settled()
    assert 80 <= (clock.next_in or 0) <= 95
    origin.value = "second"
    await clock.move(95)
    assert (value.current, origin.fetches) == ("second", 2)


async def test_without_a_lifetime_nobody_fetches_again(
    origin: Origin, clock: FakeClock, value: Refreshed[Any]
) -> None:
    origin.lifetime_s = None
    value.start()
    await clock.move(10**7)
    assert (origin.fetches, clock.next_in) == (1, None)


async def test_kept_while_the_origin_is_down_and_tried_less_and_less(
    origin: Origin, clock: FakeClock, value: Refreshed[Any], caplog: pytest.LogCaptureFixture
) -> None:
    value.start()
    await settled()
    origin.broken = True
    await clock.move(clock.next_in or 0)
    waits = []
    for _ in range(9):
        waits.append(clock.next_in or 0)
        await clock.move(waits[-1])
    for expected, seen in zip((1, 2, 4, 8, 16, 32, 60, 60, 60), waits, strict=True):
        assert 0.79 * expected <= seen <= 0.96 * expected
    assert await value.get(0.0) == "first"
    assert [record.message for record in caplog.records] == [
        "the value: broken; the last one stays in use"
    ]
    origin.broken, origin.value = False, "second"
    await clock.move(60)
    assert value.current == "second"


async def test_no_waiter_is_held_past_its_deadline(origin: Origin, value: Refreshed[Any]) -> None:
    origin.gate.clear()
    value.start()
    loop = asyncio.get_running_loop()
    began = loop.time()
    assert await value.get(began + 0.01) is None
    assert await value.get(began - 5) is None
    assert loop.time() - began < 1
    patient = asyncio.create_task(value.get(None))
    await settled()
    impatient = asyncio.create_task(value.get(None))
    await settled()
    impatient.cancel()
    origin.gate.set()
    assert await patient == "first"
    assert origin.fetches == 1


async def test_requests_repeat_a_failure_only_so_often(
    origin: Origin, clock: FakeClock, value: Refreshed[Any]
) -> None:
    origin.broken = True
    for _ in range(100):
        assert await value.get(None) is None
    assert origin.fetches == BURST
    assert not value.renewable
    await clock.move(INTERVAL_S)
    origin.broken = False
    assert await value.get(None) == "first"


async def test_requests_cause_a_burst_and_then_a_trickle(
    origin: Origin, clock: FakeClock, value: Refreshed[Any]
) -> None:
    origin.lifetime_s = None
    assert await value.get(None) == "first"
    for step in range(1000):
        origin.value = step
        await value.renewed(None)
        await clock.move(INTERVAL_S / 100)
    assert BURST + 9 <= origin.fetches <= BURST + 10
    await clock.move(1000 * INTERVAL_S)
    for _ in range(100):
        await value.renewed(None)
    assert origin.fetches <= 2 * BURST + 10


async def test_renewal_waits_for_the_fetch_under_way(
    origin: Origin, clock: FakeClock, value: Refreshed[Any]
) -> None:
    await value.get(None)
    origin.gate.clear()
    origin.value = "second"
    waiting = [asyncio.create_task(value.renewed(None)) for _ in range(20)]
    await settled()
    assert await value.get(None) == "first"
    assert await value.renewed(0.0) == "first"
    origin.gate.set()
    assert await asyncio.gather(*waiting) == ["second"] * 20
    assert origin.fetches == 2


async def test_closed_one_fetches_no_more(
    origin: Origin, clock: FakeClock, value: Refreshed[Any]
) -> None:
    origin.gate.clear()
    value.start()
    await settled()
    value.close()
    await settled()
    assert await value.get(None) is None
    value.again()
    await clock.move(10**6)
    assert (origin.fetches, clock.next_in) == (1, None)
