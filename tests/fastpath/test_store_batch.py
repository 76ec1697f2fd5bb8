"""Decisions on their way to a store and back: bytes, bounds, failures, cancellation."""

import asyncio
import select
import struct
from collections.abc import Sequence
from typing import Any

import pytest

from _fastpath.clock import Clock
from _fastpath.counters import CounterTable, Hit, Mode, Verdict
from _fastpath.errors import CountersUnavailable
from _fastpath.limit_spec import Fail, namespace_tag
from _fastpath.store_batch import StoreBatches
from fastpath.quotas import at, fixed
from fastpath.store_model import HEAD, VERDICT, StoreModel, decisions

SECOND = 1_000_000_000
NOW = 10**15
TAG = namespace_tag("shop")
FOREVER = 2**63 - 1


def digest(number: int) -> bytes:
    return bytes([number]) * 16


def hit(number: int = 1, delta: int = 1, max_value: int = 10, **more: Any) -> Hit:
    quota = fixed(max_value, 60 * SECOND)
    return Hit(digest(number), quota, ("alice",), delta, **more)


def batches(**more: Any) -> StoreBatches:
    options: dict[str, Any] = {"counters": CounterTable(), "now": lambda: NOW, **more}
    return StoreBatches(
        options.pop("max_decisions", 1000),
        options.pop("max_bytes", 1 << 20),
        **options,
    )


async def decide(
    store: StoreBatches,
    hits: Sequence[Hit],
    fail: Fail = Fail.CLOSED,
    mode: Mode = Mode.CHECK_AND_ADD,
) -> list[Verdict | None]:
    return await store.decide(hits, [fail] * len(hits), mode, at(NOW), TAG)


async def started(store: StoreBatches, *hits: Hit) -> "asyncio.Task[list[Verdict | None]]":
    task = asyncio.create_task(decide(store, hits))
    await asyncio.sleep(0)
    return task


async def test_decisions_are_sent_as_the_script_reads_them() -> None:
    store = batches()
    tasks = [
        await started(store, hit(1), hit(2, 3, binding=False)),
        await started(store, hit(3, -2, always=True)),
    ]
    batch = store.take(10)
    assert batch is not None
    [group] = batch.groups
    assert (group.tag, group.numkeys, group.decisions) == (TAG, 3, 2)
    first, second = decisions(group)
    key = b"th:{" + TAG + b"}:" + b"01" * 16 + b":" + struct.pack("<I", 5) + b"alice"
    assert first.counters[0].key == key
    assert [(c.algorithm, c.flags, c.amount) for c in first.counters] == [(1, 1, 1), (1, 0, 3)]
    assert (second.counters[0].flags, second.counters[0].amount) == (7, 2)
    assert (second.counters[0].max_value, second.counters[0].window_us) == (10, 60_000_000)
    StoreModel().settle(batch)
    assert await tasks[0] == [
        Verdict(True, 9, 60 * SECOND, 0),
        Verdict(True, 7, 60 * SECOND, 0),
    ]
    assert await tasks[1] == [Verdict(True, 10, 60 * SECOND, 0)]


async def test_descriptor_is_readable_while_something_waits() -> None:
    store = batches()

    def readable() -> bool:
        return bool(select.select([store.fileno()], [], [], 0)[0])

    assert not readable()
    tasks = [await started(store, hit(number)) for number in range(3)]
    assert readable()
    first = store.take(2)
    assert first is not None
    assert store.waiting == 1
    assert readable()
    second = store.take(2)
    assert second is not None
    assert not readable()
    assert store.take(2) is None
    model = StoreModel()
    model.settle(second)
    model.settle(first)
    await asyncio.gather(*tasks)


@pytest.mark.parametrize(
    ("fail", "verdict"),
    [
        (Fail.CLOSED, Verdict(False, 0, 0, 0)),
        (Fail.OPEN, None),
        (Fail.LOCAL, Verdict(True, 9, 60 * SECOND, 0)),
    ],
)
async def test_silent_store_leaves_it_to_the_policy(fail: Fail, verdict: Verdict | None) -> None:
    store = batches()
    task = asyncio.create_task(decide(store, [hit()], fail))
    await asyncio.sleep(0)
    batch = store.take(1)
    assert batch is not None
    batch.fail(0, "timeout")
    batch.fail(0, "timeout")
    assert await task == [verdict]
    assert store.failures == {"timeout": 1}
    assert store.stats().failed == {**dict.fromkeys(Fail, 0), fail: 1}


async def test_silent_store_may_fail_the_call() -> None:
    store = batches(max_decisions=1)
    waiting = await started(store, hit())
    with pytest.raises(CountersUnavailable):
        await decide(store, [hit()], Fail.ERROR)
    assert store.failures == {"overloaded": 1}
    assert store.stats().overloaded == 1
    waiting.cancel()


async def test_refusal_by_policy_charges_no_local_counter() -> None:
    local = CounterTable()
    store = batches(max_decisions=1, counters=local)
    waiting = await started(store, hit())
    hits = [hit(1), hit(2)]
    verdicts = await store.decide(hits, [Fail.CLOSED, Fail.LOCAL], Mode(0), at(NOW), TAG)
    assert verdicts == [Verdict(False, 0, 0, 0), Verdict(True, 10, 60 * SECOND, 0)]
    assert not len(local)
    waiting.cancel()


async def test_bytes_are_bounded() -> None:
    store = batches(max_bytes=1000)
    waiting = await started(store, hit())
    big = Hit(digest(1), fixed(1, SECOND), ("x" * 900,), 1)
    assert await decide(store, [big], Fail.OPEN) == [None]
    waiting.cancel()
    await asyncio.sleep(0)
    assert store.waiting == 0


async def test_cancelled_decisions_are_not_sent() -> None:
    store, model = batches(), StoreModel()
    tasks = [await started(store, hit(number)) for number in range(5)]
    for number in (0, 1, 3):
        tasks[number].cancel()
    await asyncio.sleep(0)
    assert store.waiting == 2
    batch = store.take(10)
    assert batch is not None
    tasks[2].cancel()
    await asyncio.sleep(0)
    assert model.settle(batch) == 2
    assert [each.counters[0].key[-42:-40] for each in model.seen] == [b"02", b"04"]
    assert (await tasks[4]) == [Verdict(True, 9, 60 * SECOND, 0)]


async def test_tags_are_kept_apart_on_request() -> None:
    store, model = batches(by_tag=True), StoreModel()
    other = namespace_tag("bank")
    tasks = [
        asyncio.create_task(store.decide([hit()], [Fail.CLOSED], Mode(0), at(NOW), tag))
        for tag in (TAG, other, TAG)
    ]
    await asyncio.sleep(0)
    batch = store.take(10)
    assert batch is not None
    assert [(group.tag, group.decisions) for group in batch.groups] == [(TAG, 2), (other, 1)]
    model.settle(batch)
    assert [verdict.remaining for [verdict] in await asyncio.gather(*tasks) if verdict] == [9, 9, 8]


async def test_every_key_may_have_a_tag_of_its_own() -> None:
    store = batches(key_tags=True)
    task = await started(store, hit())
    batch = store.take(10)
    assert batch is not None
    assert batch.groups[0].tag.startswith(TAG + b".")
    assert len(batch.groups[0].tag) == 33
    assert (
        decisions(batch.groups[0])[0]
        .counters[0]
        .key.startswith(b"th:{" + batch.groups[0].tag + b"}:0101")
    )
    with pytest.raises(ValueError, match="several tags"):
        await decide(store, [hit(1), hit(2)])
    batch.fail(0, "down")
    await task


GOOD = HEAD.pack(0, 0, 1) + VERDICT.pack(1, 9, 60_000_000, 0, 0, 0)


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        GOOD[:-1],
        GOOD + b"\0",
        GOOD + GOOD,
        HEAD.pack(3, 0, 1) + GOOD[4:],
        HEAD.pack(0, 1, 1) + GOOD[4:],
        HEAD.pack(0, 0, 2) + GOOD[4:] + GOOD[4:],
        HEAD.pack(0, 0, 0),
        GOOD[:4] + VERDICT.pack(2, 9, 0, 0, 0, 0),
        GOOD[:4] + VERDICT.pack(1, -1, 0, 0, 0, 0),
        GOOD[:4] + VERDICT.pack(1, float("nan"), 0, 0, 0, 0),
        GOOD[:4] + VERDICT.pack(1, 0, float("inf"), 0, 0, 0),
        GOOD[:4] + VERDICT.pack(1, 0, 0, 0, 2.0**60, 0),
    ],
)
async def test_malformed_replies_fail_the_batch(reply: bytes) -> None:
    store = batches()
    task = await started(store, hit())
    batch = store.take(1)
    assert batch is not None
    with pytest.raises(ValueError, match="malformed"):
        batch.settle(0, reply)
    assert await task == [Verdict(False, 0, 0, 0)]
    assert store.failures == {"malformed": 1}


@pytest.mark.parametrize("reply", [HEAD.pack(2, 0, 0), HEAD.pack(2, 0, 1) + GOOD[4:]])
async def test_decision_that_fails_in_the_store_fails_alone(reply: bytes) -> None:
    store = batches()
    bad, good = await started(store, hit()), await started(store, hit(2))
    batch = store.take(2)
    assert batch is not None
    assert batch.settle(0, reply + GOOD) == 1
    assert await bad == [Verdict(False, 0, 0, 0)]
    assert await good == [Verdict(True, 9, 60 * SECOND, 0)]


async def test_numbers_past_those_of_the_store_saturate() -> None:
    store = batches()
    task = await started(store, hit(1, 2**60, max_value=2**62))
    batch = store.take(1)
    assert batch is not None
    [decision] = decisions(batch.groups[0])
    assert (decision.counters[0].amount, decision.counters[0].max_value) == (2**53 - 1, 2**53 - 1)
    batch.settle(0, GOOD[:4] + VERDICT.pack(0, 0, 2.0**52, -1, 0, 0))
    assert await task == [Verdict(False, 0, 2**52 * 1000, FOREVER)]


async def test_bad_input_is_refused() -> None:
    store = batches()
    with pytest.raises(ValueError, match="named twice"):
        await decide(store, [hit(), hit()])
    with pytest.raises(ValueError, match="16 bytes"):
        await store.decide([hit()], [Fail.OPEN], Mode(0), Clock(1, 1), b"short")
    with pytest.raises(ValueError, match="at least 1"):
        batches(max_decisions=0)
    assert await decide(store, []) == []
    assert store.waiting == 0
