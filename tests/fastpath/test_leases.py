"""Leases: slices of a counter that a process spends by itself, and what they promise."""

import asyncio
import random
from dataclasses import dataclass

import pytest

from _fastpath.counters import CounterTable, Hit, Mode, Verdict
from _fastpath.limit_spec import Algorithm, Fail, Quota, namespace_tag
from _fastpath.store_batch import Batch, StoreBatches
from fastpath.quotas import at, fixed
from fastpath.store_model import GIVE_BACK, StoreModel

SECOND = 1_000_000_000
TAG = namespace_tag("shop")
LEASE_NS = SECOND


@dataclass
class Clock:
    now_ns: int = 10**15

    def __call__(self) -> int:
        return self.now_ns


class Fleet:
    """Processes with leases over one store, on one clock."""

    def __init__(self, processes: int = 1, max_leases: int = 1000) -> None:
        self.clock = Clock()
        self.model = StoreModel(self.clock.now_ns / 1000)
        self.max_leases = max_leases
        self.processes = [self.started() for _ in range(processes)]

    def started(self) -> StoreBatches:
        return StoreBatches(
            1000,
            1 << 20,
            counters=CounterTable(),
            lease_ns=LEASE_NS,
            max_leases=self.max_leases,
            now=self.clock,
        )

    def advance(self, seconds: float) -> None:
        self.clock.now_ns += round(seconds * 1_000_000) * 1000
        self.model.now_us = self.clock.now_ns / 1000

    async def ask(
        self, process: int, *hits: Hit, mode: Mode = Mode.CHECK_AND_ADD
    ) -> tuple[list[Verdict | None], bool]:
        """The verdicts, and whether the store was waited for."""
        batches = self.processes[process]
        fails = [Fail.CLOSED] * len(hits)
        task = asyncio.ensure_future(batches.decide(hits, fails, mode, at(self.clock.now_ns), TAG))
        await asyncio.sleep(0)
        waited = not task.done()
        if waited:
            self.model.serve(batches)
        return await task, waited

    async def admitted(self, process: int, hit: Hit, times: int) -> tuple[int, int]:
        """How many of so many hits passed, and how many waited for the store."""
        passed = waits = 0
        for _ in range(times):
            [verdict], waited = await self.ask(process, hit)
            passed += verdict is not None and verdict.fits
            waits += waited
        return passed, waits

    def charged(self) -> float:
        return sum(self.model.value(key) for key in self.model.windows)


def hit(max_value: int = 10_000, delta: int = 1, user: str = "ann", **more: bool) -> Hit:
    return Hit(b"\1" * 16, fixed(max_value, 60 * SECOND), (user,), delta, **more)


async def test_demand_earns_leases_that_need_no_store() -> None:
    fleet = Fleet()
    passed, waits = await fleet.admitted(0, hit(), 1000)
    assert passed == 1000
    assert waits < 30
    assert fleet.charged() == 1000 + fleet.processes[0].stats().leased_units


async def test_rare_counters_stay_exact() -> None:
    fleet = Fleet()
    for _ in range(20):
        assert (await fleet.admitted(0, hit(), 1))[1] == 1
        fleet.advance(0.5)
    assert fleet.processes[0].stats().leased_units == 0
    assert fleet.charged() == 20


async def test_small_limits_stay_exact() -> None:
    fleet = Fleet()
    assert await fleet.admitted(0, hit(max_value=50), 60) == (50, 60)


async def test_limit_is_reached_exactly() -> None:
    """One process alone spends all of it: the last of a limit is asked for hit by hit."""
    fleet = Fleet()
    passed, waits = await fleet.admitted(0, hit(max_value=1000), 1500)
    assert passed == 1000
    assert waits > 500
    assert fleet.processes[0].stats().leased_units == 0


async def test_idle_process_gives_back_what_it_did_not_spend() -> None:
    fleet = Fleet(2)
    passed, _ = await fleet.admitted(0, hit(), 300)
    assert fleet.processes[0].stats().leased_units > 0
    fleet.advance(1.1)
    fleet.processes[0].sweep()
    fleet.model.serve(fleet.processes[0])
    assert fleet.processes[0].stats().leased_units == 0
    assert fleet.charged() == passed
    fleet.advance(3)
    fleet.processes[0].sweep()
    assert fleet.processes[0].stats().leased_counters == 0


async def test_process_that_ends_gives_back_everything() -> None:
    fleet = Fleet()
    passed, _ = await fleet.admitted(0, hit(), 300)
    fleet.processes[0].give_back()
    fleet.model.serve(fleet.processes[0])
    assert fleet.charged() == passed


async def test_late_return_leaves_the_next_window_alone() -> None:
    fleet = Fleet(2)
    await fleet.admitted(0, hit(), 300)
    fleet.processes[0].give_back()
    fleet.advance(60)
    await fleet.admitted(1, hit(), 10)
    before = fleet.charged()
    fleet.model.serve(fleet.processes[0])
    assert fleet.model.seen[-1].counters[0].flags & GIVE_BACK
    assert fleet.charged() == before


async def test_lease_ends_with_its_window() -> None:
    fleet = Fleet()
    await fleet.admitted(0, hit(), 100)
    fleet.advance(59.5)
    await fleet.admitted(0, hit(), 100)
    assert fleet.processes[0].stats().leased_units > 0
    fleet.advance(0.5)
    assert (await fleet.admitted(0, hit(), 1))[1] == 1


async def test_lease_lasts_from_before_it_was_asked_for() -> None:
    """A store that answers late does not lengthen it."""
    fleet = Fleet()
    batches = fleet.processes[0]
    await fleet.admitted(0, hit(), 3)
    task = asyncio.ensure_future(
        batches.decide([hit()], [Fail.CLOSED], Mode.CHECK_AND_ADD, at(fleet.clock.now_ns), TAG)
    )
    await asyncio.sleep(0)
    batch = batches.take(1)
    assert batch is not None
    fleet.advance(1.0)
    fleet.model.settle(batch)
    await task
    assert batches.stats().leased_units >= 8
    assert (await fleet.admitted(0, hit(), 1))[1] == 1


async def test_decision_over_several_counters_spends_all_leases_or_none() -> None:
    fleet = Fleet()
    await fleet.admitted(0, hit(user="ann"), 200)
    held = fleet.processes[0].stats().leased_units
    _, waited = await fleet.ask(0, hit(user="ann"), hit(user="bob"))
    assert waited
    assert fleet.processes[0].stats().leased_units >= held
    await fleet.admitted(0, hit(user="bob"), 200)
    held = fleet.processes[0].stats().leased_units
    verdicts, waited = await fleet.ask(0, hit(user="ann"), hit(user="bob"))
    assert not waited
    assert [verdict and verdict.fits for verdict in verdicts] == [True, True]
    assert fleet.processes[0].stats().leased_units == held - 2


async def test_looking_spends_nothing() -> None:
    fleet = Fleet()
    await fleet.admitted(0, hit(), 200)
    held = fleet.processes[0].stats().leased_units
    [verdict], waited = await fleet.ask(0, hit(), mode=Mode.CHECK)
    assert (waited, verdict and verdict.fits) == (False, True)
    assert fleet.processes[0].stats().leased_units == held


async def test_giving_back_a_hit_asks_the_store() -> None:
    fleet = Fleet()
    await fleet.admitted(0, hit(), 200)
    assert (await fleet.ask(0, hit(delta=-5)))[1]


async def test_changed_limit_spends_no_old_lease() -> None:
    fleet = Fleet()
    await fleet.admitted(0, hit(), 200)
    assert (await fleet.ask(0, hit(max_value=20)))[1]
    assert (await fleet.admitted(0, hit(max_value=20), 5))[0] == 0


async def test_lost_renewal_is_asked_for_again() -> None:
    fleet = Fleet()
    batches = fleet.processes[0]
    await fleet.admitted(0, hit(), 100)
    lost = 0
    for _ in range(2000):
        task = asyncio.ensure_future(
            batches.decide([hit()], [Fail.OPEN], Mode(0), at(fleet.clock.now_ns), TAG)
        )
        await asyncio.sleep(0)
        batch = batches.take(100)
        if batch is not None:
            batch.fail(0, "timeout")
            lost += 1
        await task
    assert lost > 1
    assert (await fleet.admitted(0, hit(), 100))[1] < 30


async def test_bound_on_counters_leaves_the_rest_exact() -> None:
    fleet = Fleet(max_leases=1)
    for number in range(500):
        await fleet.ask(0, hit(user=f"user {number}"))
    assert fleet.processes[0].stats().leased_counters <= 128


async def test_concurrency_limits_get_no_lease() -> None:
    fleet = Fleet()
    quota = Quota(Algorithm.CONCURRENCY, 1000, 60 * SECOND)
    for _ in range(50):
        await fleet.ask(0, Hit(b"\2" * 16, quota, (), 1))
    assert all(each.counters[0].wanted == 0 for each in fleet.model.seen)


class Run:
    """One history of three processes: bursts of hits, replies that come late or never, deaths."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.fleet = Fleet(3)
        self.hit = hit(max_value=self.chance.choice([100, 1000, 5000]))
        self.late: list[tuple[int, Batch]] = []
        self.waiting: list[asyncio.Task[list[Verdict | None]]] = []
        self.spent_here = 0

    async def step(self) -> None:
        process = self.chance.randrange(3)
        event = self.chance.random()
        if event < 0.005:
            self.late = [each for each in self.late if each[0] != process]
            self.fleet.processes[process] = self.fleet.started()
        elif event < 0.01:
            self.fleet.advance(self.chance.choice([0.2, 1.0, 5.0, 30.0]))
        elif event < 0.1:
            self.fleet.processes[process].sweep()
        elif event < 0.2 and self.late:
            self.fleet.model.settle(self.late.pop(self.chance.randrange(len(self.late)))[1])
        elif event < 0.5:
            self.carry(process)
        else:
            self.fleet.advance(self.chance.random() * 0.01)
            await self.burst(process)
        await asyncio.sleep(0)

    def carry(self, process: int) -> None:
        batch = self.fleet.processes[process].take(100)
        if batch is not None and self.chance.random() < 0.1:
            self.late.append((process, batch))
        elif batch is not None:
            self.fleet.model.settle(batch)

    async def burst(self, process: int) -> None:
        for _ in range(self.chance.randrange(20)):
            ask = self.fleet.processes[process].decide(
                [self.hit], [Fail.CLOSED], Mode(0), at(self.fleet.clock.now_ns), TAG
            )
            task = asyncio.ensure_future(ask)
            await asyncio.sleep(0)
            if not task.done():
                self.waiting.append(task)
                continue
            [verdict] = task.result()
            assert verdict is not None
            if verdict.fits:
                [(key, window)] = self.fleet.model.windows.items()
                assert window.end_us > self.fleet.model.now_us, "spent after the window's end"
                self.fleet.model.admitted[key, window.end_us] += 1
                self.spent_here += 1


@pytest.mark.parametrize("seed", range(6))
async def test_processes_that_die_and_wait_never_pass_the_limit(seed: int) -> None:
    run = Run(seed)
    for _ in range(2000):
        await run.step()
        assert all(n <= run.hit.quota.max_value for n in run.fleet.model.admitted.values())
    for task in run.waiting:
        task.cancel()
    await asyncio.gather(*run.waiting, return_exceptions=True)
    assert run.spent_here or run.hit.quota.max_value == 100
