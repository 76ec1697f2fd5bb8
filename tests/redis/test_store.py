"""The store on one plain Redis: decisions, listing, changes, expiry."""

import asyncio
import re
from pathlib import Path

import pytest
import redis

from _fastpath.counters import Mode
from _fastpath.limit_spec import Algorithm, Fail, Quota
from ratelimit.errors import StoreUnavailable
from ratelimit.redis.reservation_records import RedisRecords
from ratelimit.redis.settings import RedisSettings
from ratelimit.reservations import Reservation
from tests.redis.servers import RedisServer
from tests.redis.stores import LIMIT, Opened, hit, opened, quota

OTHER = b"another-limit..."
SIMPLE = sorted(set(Algorithm) - {Algorithm.CALENDAR_WINDOW})


async def test_hits_up_to_the_limit_fit(store: Opened) -> None:
    assert [await store.fits(3) for _ in range(5)] == [True] * 3 + [False] * 2


async def test_refused_decision_charges_nothing(store: Opened) -> None:
    await store.decide(hit(1))
    verdicts = await store.decide(hit(1), hit(9, "b"))
    assert [verdict.fits for verdict in verdicts if verdict] == [False, True]
    (other,) = await store.decide(hit(9, "b"), mode=Mode.CHECK)
    assert other is not None
    assert other.remaining == 9


async def test_namespaces_have_counters_of_their_own(store: Opened) -> None:
    await store.decide(hit(1), namespace="one")
    (verdict,) = await store.decide(hit(1), namespace="two")
    assert verdict is not None
    assert verdict.fits


async def test_concurrent_hits_pass_exactly_the_limit(store: Opened) -> None:
    assert sum(await asyncio.gather(*(store.fits(50) for _ in range(200)))) == 50
    assert store.store.health.counts.batches < 100


async def test_two_stores_share_counters(server: RedisServer, store: Opened) -> None:
    async with opened(RedisSettings(server.url)) as other:
        passed = await asyncio.gather(*(each.fits(30) for each in (store, other) * 40))
    assert sum(passed) == 30


async def test_list_pages_through_live_counters(store: Opened) -> None:
    await asyncio.gather(*(store.decide(hit(9, str(n), delta=n)) for n in range(1, 8)))
    await store.decide(hit(9)._replace(limit_digest=OTHER))
    listed = []
    cursor = ""
    while True:
        cursor, counters = await store.store.list({LIMIT}, cursor, 2)
        listed += counters
        if not cursor:
            break
    assert sorted((c.values, c.value) for c in listed) == [((str(n),), n) for n in range(1, 8)]
    assert all(0 < counter.reset_ns <= quota(9).window_ns for counter in listed)


@pytest.mark.parametrize("algorithm", SIMPLE)
async def test_set_and_reset_change_one_counter(store: Opened, algorithm: Algorithm) -> None:
    ten = quota(10, algorithm)
    await store.decide(hit(10)._replace(quota=ten))
    await store.store.set("tests", LIMIT, ten, ("a",), 7)
    _, (counter,) = await store.store.list({LIMIT}, "", 1000)
    assert counter.value == 7
    (verdict,) = await store.decide(hit(10, delta=4)._replace(quota=ten))
    assert verdict is not None
    assert not verdict.fits
    assert await store.store.reset("tests", LIMIT, ("a",))
    assert not await store.store.reset("tests", LIMIT, ("a",))
    assert await store.store.list({LIMIT}, "", 1000) == ("", [])


async def test_remove_deletes_the_counters_of_a_limit(store: Opened) -> None:
    for n in range(20):
        await store.decide(hit(9, str(n)), hit(9, str(n))._replace(limit_digest=OTHER))
    assert await store.store.remove({LIMIT}) == 20
    assert await store.store.list({LIMIT}, "", 1000) == ("", [])
    _, left = await store.store.list({OTHER}, "", 1000)
    assert len(left) == 20


async def test_every_key_expires(store: Opened, client: "redis.Redis[bytes]") -> None:
    for algorithm in SIMPLE:
        await store.decide(hit(9, algorithm.name)._replace(quota=quota(9, algorithm)))
    keys = client.keys()
    assert len(keys) == len(SIMPLE)
    assert all(0 < client.pttl(key) <= 121_000 for key in keys)


async def test_nothing_is_left_when_windows_are_over(
    store: Opened, client: "redis.Redis[bytes]"
) -> None:
    for algorithm in SIMPLE:
        short = Quota(algorithm, 9, 20_000_000)
        await asyncio.gather(
            *(store.decide(hit(9, f"{algorithm}{n}")._replace(quota=short)) for n in range(30))
        )
    await asyncio.sleep(0.06)
    assert await store.store.list({LIMIT}, "", 1000) == ("", [])
    assert list(client.scan_iter()) == []  # visiting a key that is over frees it
    assert client.dbsize() == 0


async def test_foreign_value_fails_only_its_decision(
    store: Opened, client: "redis.Redis[bytes]"
) -> None:
    await store.decide(hit(9), hit(9, "b"))
    (key,) = (key for key in client.scan_iter() if key.endswith(b"a"))
    for foreign in ("hash", "text"):
        client.delete(key)
        if foreign == "hash":
            client.hset(key, "field", "value")
        else:
            client.set(key, "what is this")
        told = await asyncio.gather(
            store.decide(hit(9), hit(9, "b")), store.decide(hit(9, "b")), return_exceptions=True
        )
        assert isinstance(told[0], StoreUnavailable)
        assert not isinstance(told[1], BaseException)
    (verdict,) = await store.decide(hit(9, "b"), mode=Mode.CHECK)
    assert verdict is not None
    assert verdict.remaining == 9 - 3


async def test_flushed_scripts_are_loaded_again(
    store: Opened, client: "redis.Redis[bytes]"
) -> None:
    for _ in range(3):
        client.script_flush()
        assert all(await asyncio.gather(*(store.fits(1000, fail=Fail.CLOSED) for _ in range(20))))


async def test_password_is_shown_nowhere(server: RedisServer) -> None:
    settings = RedisSettings(f"redis://tollhouse:hunter2@127.0.0.1:{server.port}")
    assert "hunter2" not in repr(settings) + repr(settings.parsed())
    async with opened(settings, wait=False) as store:
        trouble = await store.store.reachable(0.3)
    assert trouble is not None
    assert "invalid username-password" in trouble
    assert "hunter2" not in trouble


async def test_documented_permissions_are_enough(
    server: RedisServer, client: "redis.Redis[bytes]"
) -> None:
    text = (Path(__file__).parents[2] / "docs" / "redis.md").read_text()
    (rules,) = re.findall(r"keys `(~\S+)`, the commands `([^`]*)`", text)
    client.execute_command("ACL", "LOG", "RESET")
    client.execute_command("ACL", "SETUSER", "least", "on", ">p", *" ".join(rules).split())
    try:
        url = f"redis://least:p@127.0.0.1:{server.port}/0"
        async with opened(RedisSettings(url)) as store:
            assert await store.fits(1)
            assert not await store.fits(1)
            await store.store.set("tests", LIMIT, quota(9), ("b",), 7)
            _, listed = await store.store.list({LIMIT}, "", 100)
            assert len(listed) == 2
            assert await store.store.reset("tests", LIMIT, ("b",))
            assert await store.store.remove({LIMIT}) == 1
            records = RedisRecords(RedisSettings(url), store.store.topology)
            held = Reservation("n", 2**62, ())
            await records.put("id", held, 1.0)
            assert await records.take("id") == held
            await records.stop()
        assert client.execute_command("ACL", "LOG") == []
    finally:
        client.execute_command("ACL", "DELUSER", "least")
