"""Descriptor trees whose counters are on Redis: both lanes count on the same ones."""

import asyncio

from _fastpath.cells import Series
from _fastpath.plan import Plans
from _fastpath.rpc import RpcError, Status
from ratelimit.clock import now
from ratelimit.descriptors.active_domains import ActiveDomains
from ratelimit.descriptors.domain_file import parse
from ratelimit.descriptors.options import DescriptorOptions
from ratelimit.descriptors.service import DescriptorService
from ratelimit.redis.settings import RedisSettings
from tests.descriptors.host import OK, OVER_LIMIT, Response, asked, descriptor
from tests.ratelimit.host import Call
from tests.redis.servers import RedisServer
from tests.redis.stores import Opened, opened

TREE = """\
domain: d
descriptors:
- {key: a, rate_limit: {unit: year, requests_per_unit: 6}}
- {key: b, rate_limit: {unit: year, requests_per_unit: 100}}
"""


class Lanes:
    """One service; each call says which lane decides it. outcomes: of the native handler."""

    def __init__(self, store: Opened, options: DescriptorOptions | None = None) -> None:
        plans, series = Plans(1), Series(1)
        active = ActiveDomains(
            series, lambda unit: plans.publish(unit, None), merge=False, near_ratio=0.8
        )
        active.apply(active.build([parse(TREE, "f.yaml")]))
        self.outcomes: list[str] = []
        self.service = DescriptorService(
            active,
            plans,
            store.local,
            store.store,
            series,
            options or DescriptorOptions(),
            batches=store.batches,
            max_names=10,
        )

    async def call(self, data: bytes, *, native: bool) -> Response:
        """Raises RpcError."""
        clock = now()
        if native:
            handler = self.service.decider.should_rate_limit
            outcome, message, status, detail, _ = await handler.decide(data, *clock)
            self.outcomes.append(outcome)
            if outcome == "answer":
                if status:
                    raise RpcError(Status(status), detail)
                return Response.FromString(message)
        return Response.FromString(await self.service.should(data, Call(*clock[:1], 0, clock[1])))


def one(*keys: str, hits: int = 0) -> bytes:
    return asked("d", *(descriptor({key: "x"}) for key in keys), hits=hits).SerializeToString()


async def test_both_lanes_count_on_the_same_counters(store: Opened) -> None:
    lanes = Lanes(store)
    told = [await lanes.call(one("a", "b"), native=bool(i % 2)) for i in range(8)]
    assert [answer.statuses[0].limit_remaining for answer in told] == [5, 4, 3, 2, 1, 0, 0, 0]
    assert [answer.statuses[1].limit_remaining for answer in told] == list(range(99, 91, -1))
    assert [answer.overall_code for answer in told] == [OK] * 6 + [OVER_LIMIT] * 2
    assert lanes.outcomes == ["answer"] * 4
    totals = lanes.service.decider.totals()
    assert totals["limit", "d.a", 0] == 8
    assert totals["limit", "d.a", 3] == 2
    assert totals["calls",] == 8


async def test_many_at_once_pass_exactly_the_limit(store: Opened) -> None:
    lanes = Lanes(store)
    told = await asyncio.gather(*(lanes.call(one("a"), native=True) for _ in range(30)))
    assert [answer.overall_code for answer in told].count(OK) == 6


async def test_hits_across_the_limit_count_where_they_fall(store: Opened) -> None:
    lanes = Lanes(store)
    for hits in (5, 3):
        await lanes.call(one("a", hits=hits), native=True)
    totals = lanes.service.decider.totals()
    assert {key[2]: count for key, count in totals.items() if key[0] == "limit"} == {
        0: 8,
        1: 5,
        2: 2,
        3: 2,
    }


async def test_what_takes_several_decisions_is_left_to_python(store: Opened) -> None:
    lanes = Lanes(store)
    told = await lanes.call(one("a", "a"), native=True)
    assert [status.limit_remaining for status in told.statuses] == [5, 4]
    stopping = Lanes(store, DescriptorOptions(stop_when_over=True))
    told = await stopping.call(one("b", "a", hits=5), native=True)
    assert [status.code for status in told.statuses] == [OK, OVER_LIMIT]
    assert (await stopping.call(one("b"), native=True)).statuses[0].limit_remaining == 99
    assert lanes.outcomes + stopping.outcomes == ["deferred"] * 3


async def test_without_redis_both_lanes_end_the_call() -> None:
    with RedisServer() as server:
        async with opened(RedisSettings(server.unix_url)) as store:
            lanes = Lanes(store)
            assert (await lanes.call(one("a"), native=True)).overall_code == OK
            server.stop()
            told = []
            for native in (True, False):
                try:
                    await lanes.call(one("a"), native=native)
                except RpcError as error:
                    told.append((error.status, error.message))
            assert told == [(Status.UNKNOWN, "Service unavailable")] * 2
            assert lanes.service.decider.totals()["store_errors",] == 2
