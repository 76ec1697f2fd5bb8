"""The native encoder writes what the reference in `wire.py` writes, and reads what it reads."""

import asyncio
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from _fastpath.calendar import Calendar, Period
from _fastpath.clock import Clock
from _fastpath.counters import CounterTable, Hit, Mode
from _fastpath.limit_spec import Algorithm, Fail, Quota
from _fastpath.store_batch import StoreBatches
from ratelimit.redis.key import HashTag, redis_key
from ratelimit.redis.wire import NEVER_NS, bulk, decode_reply, encode_decision

CLOCK = Clock(1, 1_795_000_000_123_456_789)
CALENDARS = [Calendar(Period.DAY, "Europe/Berlin"), Calendar(Period.YEAR)]
U64 = st.integers(0, 2**64 - 1)
LARGE = 2**53 - 1


@st.composite
def quotas(draw: st.DrawFn) -> Quota:
    algorithm = draw(st.sampled_from(Algorithm))
    calendar = draw(st.sampled_from(CALENDARS))
    return Quota(
        algorithm,
        draw(U64),
        draw(st.integers(0, 2**63 - 1)),
        draw(U64) if algorithm is Algorithm.TOKEN_BUCKET else 0,
        calendar if algorithm is Algorithm.CALENDAR_WINDOW else None,
    )


HITS = st.lists(
    st.builds(
        Hit,
        limit_digest=st.binary(min_size=16, max_size=16),
        quota=quotas(),
        values=st.lists(st.text(max_size=5), max_size=3).map(tuple),
        delta=st.one_of(st.integers(-5, 5), st.integers(-(2**63) + 1, 2**64 - 1)),
        binding=st.booleans(),
        always=st.booleans(),
    ),
    min_size=1,
    max_size=4,
    unique_by=lambda hit: (hit.limit_digest, hit.values),
)
ANSWERS = st.tuples(
    st.booleans(), st.integers(0, LARGE), st.integers(0, 2**50), st.integers(-1, 2**50)
)


@settings(max_examples=60)
@given(hits=HITS, mode=st.sampled_from(Mode), data=st.data())
def test_both_write_and_read_the_same(hits: list[Hit], mode: Mode, data: st.DataObject) -> None:
    async def story() -> None:
        batches = StoreBatches(9, 2**20, counters=CounterTable(9))
        keys = [redis_key("n", h.limit_digest, h.values, HashTag.NAMESPACE) for h in hits]
        decided = asyncio.ensure_future(
            batches.decide(hits, [Fail.ERROR] * len(hits), mode, CLOCK, keys[0].tag)
        )
        await asyncio.sleep(0)
        batch = batches.take(9)
        assert batch is not None
        (group,) = batch.groups
        parts = [*(key.text for key in keys), b"", encode_decision(hits, mode, CLOCK)]
        assert group.body == b"".join(map(bulk, parts))
        assert (group.numkeys, group.decisions) == (len(hits), 1)
        told = [data.draw(ANSWERS) for _ in hits]
        reply = struct.pack("<BBH", 0, 0, len(hits)) + b"".join(
            struct.pack("<B7x5d", fits, left, reset, retry, 0, 0)
            for fits, left, reset, retry in told
        )
        batch.settle(0, reply)
        (answer,) = decode_reply(reply, [len(hits)])
        assert await decided == answer.verdicts

    asyncio.run(story())


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b"\x00\x00\x01",
        struct.pack("<BBH", 0, 0, 2) + bytes(96),
        struct.pack("<BBH", 0, 0, 1) + bytes(47),
        struct.pack("<BBH", 0, 0, 1) + bytes(49),
        struct.pack("<BBH", 9, 0, 1) + bytes(48),
    ],
)
def test_reply_of_another_shape_is_refused(reply: bytes) -> None:
    with pytest.raises(ValueError):
        decode_reply(reply, [1])


def test_retry_below_zero_means_never() -> None:
    reply = struct.pack("<BBH", 1, 0, 1) + struct.pack("<B7x5d", 0, 0, 5, -1, 0, 0)
    (answer,) = decode_reply(reply, [1])
    assert answer.verdicts[0].retry_ns == NEVER_NS
