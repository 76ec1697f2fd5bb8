"""Rate limit calls whose counters live in a store: the same bytes as from this process's table."""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import replace

import pytest

from _fastpath.cells import Series
from _fastpath.counters import CounterTable
from _fastpath.handler import NativeHandler
from _fastpath.header_spec import NO_HEADERS, HeaderFamily, HeaderSpec
from _fastpath.limit_index import limit_index, limit_set
from _fastpath.limit_spec import Fail, LimitSpec, OnError
from _fastpath.plan import Plans
from _fastpath.rls import RateLimitDecider
from _fastpath.store_batch import StoreBatches
from expressions.cel import Context, compile_expression
from fastpath.store_model import StoreModel
from fastpath.test_rls import SECOND, limit, request
from protos.generated.ratelimit_1_40_pb2 import RateLimitResponse

Reply = tuple[str, bytes, int, str, int]


HEADERS = HeaderSpec(HeaderFamily.DRAFT_VERSION_03, retry_after=True)


class Pair:
    """The same limits twice: counted in the process, and in a store that settles at once."""

    def __init__(self, *limits: LimitSpec, lease_ns: int = 0, max_decisions: int = 100) -> None:
        self.now = 1000 * SECOND
        self.model = StoreModel(self.now / 1000)
        self.local = CounterTable()
        self.batches = StoreBatches(
            max_decisions, 1 << 20, counters=self.local, lease_ns=lease_ns, now=lambda: self.now
        )
        self.plans, self.series = [Plans(1), Plans(1)], [Series(1), Series(1)]
        tables = [CounterTable(), self.local]
        self.deciders = [
            RateLimitDecider(plans, table, series, headers=HEADERS, statuses=True, batches=batches)
            for plans, table, series, batches in zip(
                self.plans, tables, self.series, [None, self.batches], strict=True
            )
        ]
        self.publish(*limits)

    def publish(self, *limits: LimitSpec) -> None:
        for plans, series in zip(self.plans, self.series, strict=True):
            plans.publish(limit_index({"ns": limit_set("ns", limits, series)}), None)

    def advance(self, seconds: float) -> None:
        self.now += round(seconds * 1_000_000) * 1000
        self.model.now_us = self.now / 1000

    def in_process(self, method: str, data: bytes) -> Reply:
        handler: NativeHandler = getattr(self.deciders[0], method)
        return handler(data, self.now, 0)

    def begin(self, method: str, data: bytes) -> "asyncio.Task[Reply]":
        handler: NativeHandler = getattr(self.deciders[1], method)
        return asyncio.create_task(handler.decide(data, self.now, 0))

    async def in_store(self, method: str, data: bytes) -> Reply:
        task = self.begin(method, data)
        await asyncio.sleep(0)
        self.model.serve(self.batches)
        return await task

    def totals(self) -> list[dict[tuple[object, ...], int]]:
        return [dict(decider.totals()) for decider in self.deciders]


def encoded(*descriptors: dict[str, str], hits: int = 0) -> bytes:
    return bytes(request(*descriptors, hits=hits).SerializeToString())


def response(reply: Reply) -> RateLimitResponse:
    assert (reply[0], reply[2]) == ("answer", 0)
    return RateLimitResponse.FromString(reply[1])


def three_limits() -> list[LimitSpec]:
    return [
        limit(1, 20, 10, variables=["descriptors[0].user"], name="per user"),
        limit(2, 40, 30, conditions=["descriptors[0].m == 'GET'"]),
        limit(3, 7, 5, conditions=["descriptors[1].plan == 'free'"], name='"free"'),
        limit(4, 5, variables=["descriptors[0].n / 2"], on_error=OnError.REFUSE, name="refuses"),
    ]


def random_request(chance: random.Random) -> bytes:
    entries = {"user": chance.choice(["ann", "bob", "x" * 1500]), "m": chance.choice("GP")}
    if entries["m"] == "G":
        entries["m"] = "GET"
    if chance.random() < 0.05:
        entries["n"] = "text"
    plan = {"plan": chance.choice(["free", "gold"])}
    made = request(entries, plan, hits=chance.choice([0, 0, 0, 2, 5]))
    if chance.random() < 0.1:
        made.descriptors[0].hits_addend.value = 0
    if chance.random() < 0.1:
        made.descriptors[0].is_negative_hits = True
        made.descriptors[0].hits_addend.value = 3
    return bytes(made.SerializeToString())


async def test_store_answers_the_same_bytes_as_the_table() -> None:
    chance = random.Random(7)
    pair = Pair(*three_limits())
    for _ in range(600):
        method = chance.choice(["should_rate_limit"] * 5 + ["check_rate_limit", "report"])
        data = random_request(chance)
        assert await pair.in_store(method, data) == pair.in_process(method, data)
        if chance.random() < 0.2:
            pair.advance(chance.random() * 6)
    first, second = pair.totals()
    assert first == second
    assert len(pair.model.seen) > 500


def limits_with_options() -> list[LimitSpec]:
    price = compile_expression("hits * 2", Context.LIMIT_COST, strict=True).native
    user = ["descriptors[0].user"]
    return [
        replace(limit(1, 9, 10, name="shadow"), shadow=True),
        replace(limit(2, 2**64 - 1, 20, name="counted"), unlimited=True, headers=False),
        replace(limit(3, 30, 30, variables=user, name="priced"), cost=(price,), priority=1),
        replace(limit(4, 12, 10, name="all hits"), always=True),
        replace(limit(5, 11, 10, variables=user, name="hidden"), headers=False, priority=2),
        replace(
            limit(6, 1, variables=["descriptors[0].n / 2"], on_error=OnError.REFUSE, name="fails"),
            shadow=True,
        ),
    ]


async def test_options_mean_the_same_in_a_store() -> None:
    chance = random.Random(11)
    pair = Pair(*limits_with_options())
    for _ in range(400):
        method = chance.choice(["should_rate_limit"] * 5 + ["check_rate_limit", "report"])
        data = random_request(chance)
        assert await pair.in_store(method, data) == pair.in_process(method, data)
        if chance.random() < 0.2:
            pair.advance(chance.random() * 6)
    first, second = pair.totals()
    assert first == second
    names = {key[2] for key in first if key[0] in ("limited_calls", "ratelimit_shadow_refused")}
    assert names == {"shadow", "fails", "priced", "all hits", "hidden"}


async def test_requests_without_limits_do_not_wait() -> None:
    pair = Pair(limit(1, 20, conditions=["descriptors[0].m == 'GET'"]))
    for data in (encoded({"m": "PUT"}), encoded(), b"\xff"):
        task = pair.begin("should_rate_limit", data)
        assert await task == pair.in_process("should_rate_limit", data)


async def test_reload_changes_nothing_for_a_waiting_call() -> None:
    pair = Pair(limit(1, 1, name="before"))
    task = pair.begin("should_rate_limit", encoded({"a": "b"}))
    await asyncio.sleep(0)
    pair.publish()
    pair.plans[1].collect()
    pair.model.serve(pair.batches)
    answer = response(await task)
    assert answer.statuses[0].current_limit.name == "before"


async def test_cancelled_call_is_not_sent() -> None:
    pair = Pair(limit(1, 1))
    task = pair.begin("should_rate_limit", encoded({"a": "b"}))
    await asyncio.sleep(0)
    assert pair.batches.waiting == 1
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert pair.batches.waiting == 0
    assert pair.totals()[1] == {}


async def test_late_result_of_a_cancelled_call_is_dropped() -> None:
    pair = Pair(limit(1, 1))
    task = pair.begin("should_rate_limit", encoded({"a": "b"}))
    await asyncio.sleep(0)
    batch = pair.batches.take(1)
    assert batch is not None
    task.cancel()
    await asyncio.sleep(0)
    pair.model.settle(batch)


def codes(replies: Sequence[Reply]) -> list[int]:
    return [response(reply).overall_code for reply in replies]


async def test_full_queue_follows_the_policy_at_once() -> None:
    pair = Pair(replace(limit(1, 1), fail=Fail.CLOSED), max_decisions=1)
    first = pair.begin("should_rate_limit", encoded({"a": "b"}))
    await asyncio.sleep(0)
    second = await pair.begin("should_rate_limit", encoded({"a": "b"}))
    assert codes([second]) == [RateLimitResponse.OVER_LIMIT]
    assert pair.batches.stats().overloaded == 1
    pair.model.serve(pair.batches)
    assert codes([await first]) == [RateLimitResponse.OK]
    assert pair.totals()[1][("limited_calls", "ns", "")] == 1


async def test_store_that_needs_parts_leaves_it_to_the_full_lane() -> None:
    pair = Pair(limit(1, 1), limit(2, 1))
    pair.batches = StoreBatches(10, 1000, counters=pair.local, key_tags=True)
    decider = RateLimitDecider(
        pair.plans[0],
        pair.local,
        pair.series[0],
        headers=NO_HEADERS,
        statuses=True,
        batches=pair.batches,
    )
    assert decider.should_rate_limit(encoded({"a": "b"}), 1, 2)[0] == "deferred"
    assert pair.batches.waiting == 0
