"""Every fault of a network and of a server: limits do what they say, and it passes."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
import redis

from _fastpath.counters import Mode
from _fastpath.limit_spec import Fail
from ratelimit.errors import StoreUnavailable
from ratelimit.redis.health import State
from ratelimit.redis.link import Link
from ratelimit.redis.settings import RedisSettings
from tests.redis.fault_proxy import FaultProxy, proxied
from tests.redis.servers import RedisServer
from tests.redis.stores import Opened, hit, opened, until

TIMEOUT_SECONDS = 0.15


@pytest_asyncio.fixture
async def proxy(server: RedisServer) -> AsyncIterator[FaultProxy]:
    async with proxied(server.port) as proxy:
        yield proxy


@pytest_asyncio.fixture
async def store(proxy: FaultProxy) -> AsyncIterator[Opened]:
    """Behind the proxy."""
    async with opened(settings(proxy.url)) as store:
        yield store


@pytest_asyncio.fixture
async def own() -> AsyncIterator[RedisServer]:
    """A server that a test may spoil."""
    with RedisServer() as server:
        yield server


def settings(url: str, password_file: Path | None = None) -> RedisSettings:
    return RedisSettings(
        url,
        timeout_seconds=TIMEOUT_SECONDS,
        connect_timeout_seconds=0.5,
        password_file=password_file,
    )


async def is_away(store: Opened) -> bool:
    try:
        await store.fits(1_000_000, "probe")
    except StoreUnavailable:
        return True
    return False


async def comes_to(store: Opened, *, away: bool) -> None:
    deadline = time.monotonic() + 20
    while await is_away(store) is not away:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


async def everyone_does_what_it_says(store: Opened) -> None:
    """While Redis is away."""
    assert not await store.fits(10, "closed", Fail.CLOSED)
    (opened_one,) = await store.decide(hit(10, "open"), fail=Fail.OPEN)
    assert opened_one is None
    store.local.remove([hit(1).limit_digest])
    assert [await store.fits(2, "local", Fail.LOCAL) for _ in range(3)] == [True, True, False]
    with pytest.raises(StoreUnavailable):
        await store.fits(10, "error", Fail.ERROR)


async def test_slow_redis_is_waited_for(store: Opened, proxy: FaultProxy) -> None:
    proxy.delay_seconds = TIMEOUT_SECONDS / 3
    assert await store.fits(10)
    assert store.store.health.state is State.UP


async def test_hanging_redis_costs_one_timeout(store: Opened, proxy: FaultProxy) -> None:
    proxy.hang()
    begun = time.monotonic()
    told = await asyncio.gather(*(store.fits(10, fail=Fail.CLOSED) for _ in range(50)))
    assert not any(told)
    assert time.monotonic() - begun < 6 * TIMEOUT_SECONDS
    await everyone_does_what_it_says(store)
    begun = time.monotonic()
    await asyncio.gather(*(store.fits(10, fail=Fail.CLOSED) for _ in range(50)))
    assert time.monotonic() - begun < TIMEOUT_SECONDS
    proxy.flow()
    await comes_to(store, away=False)
    assert store.failures["timeout"] >= 50


async def test_dropped_connection_is_made_again(store: Opened, proxy: FaultProxy) -> None:
    proxy.drop()
    await comes_to(store, away=False)
    assert await store.fits(10)


async def test_idle_connection_that_was_closed_costs_no_decision(
    store: Opened, proxy: FaultProxy
) -> None:
    proxy.drop()
    await until(lambda: proxy.connections >= 2 and store.store.health.state is State.UP)
    assert not await is_away(store)


async def test_reply_cut_short_fails_its_batch(store: Opened, proxy: FaultProxy) -> None:
    proxy.cut_after = 20
    assert await is_away(store)
    await comes_to(store, away=False)


async def test_refused_connections_are_tried_ever_more_slowly(
    store: Opened, proxy: FaultProxy
) -> None:
    await proxy.refuse()
    await comes_to(store, away=True)
    await everyone_does_what_it_says(store)
    before = store.store.health.counts.reconnects
    await asyncio.sleep(0.5)
    assert store.store.health.counts.reconnects - before <= 6
    await proxy.listen()
    await comes_to(store, away=False)
    assert proxy.connections <= 3


async def test_change_of_state_is_logged_once(
    store: Opened, proxy: FaultProxy, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="ratelimit.redis"):
        await proxy.refuse()
        await comes_to(store, away=True)
        for _ in range(20):
            await is_away(store)
        await proxy.listen()
        await comes_to(store, away=False)
    told = [record.message for record in caplog.records]
    assert len(told) == 2, told
    assert "is down (connection)" in told[0]
    assert "is in use" in told[1]


async def test_local_counts_are_added_when_redis_is_back(store: Opened, proxy: FaultProxy) -> None:
    await store.fits(10)
    await proxy.refuse()
    await comes_to(store, away=True)
    for _ in range(4):
        assert await store.fits(10, fail=Fail.LOCAL)
    await proxy.listen()
    await comes_to(store, away=False)
    await until(lambda: len(store.local) == 0)
    (verdict,) = await store.decide(hit(10), mode=Mode.CHECK)
    assert verdict is not None
    assert verdict.remaining == 10 - 5


async def test_what_waits_is_bounded(proxy: FaultProxy) -> None:
    async with opened(settings(proxy.url), max_decisions=100) as store:
        proxy.hang()
        told = await asyncio.gather(*(store.fits(10, fail=Fail.CLOSED) for _ in range(2000)))
        assert not any(told)
        assert store.failures["overloaded"] >= 1800
        proxy.flow()


async def test_paused_server_comes_back(own: RedisServer) -> None:
    async with opened(settings(own.url)) as store:
        own.pause()
        await comes_to(store, away=True)
        await everyone_does_what_it_says(store)
        own.resume()
        await comes_to(store, away=False)


async def test_restarted_server_is_found_again(own: RedisServer) -> None:
    async with opened(settings(own.url)) as store:
        assert await store.fits(1)
        own.stop()
        await comes_to(store, away=True)
        await everyone_does_what_it_says(store)
        own.start()
        await comes_to(store, away=False)
        assert await store.fits(1), "it begins anew"


async def test_demoted_master_is_left(own: RedisServer, server: RedisServer) -> None:
    async with opened(settings(own.url)) as store:
        with own.client() as client:
            client.replicaof("127.0.0.1", server.port)
            await comes_to(store, away=True)
            await everyone_does_what_it_says(store)
            assert store.store.health.state is State.DOWN
            assert store.failures["readonly"] > 0
            client.replicaof("NO", "ONE")
        await comes_to(store, away=False)


async def test_full_memory_refuses_new_counts(
    own: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened(settings(own.url)) as store:
        with own.client() as client:
            client.config_set("maxmemory-policy", "noeviction")
            client.config_set("maxmemory", "1mb")
            assert await is_away(store)
            await everyone_does_what_it_says(store)
            assert store.store.health.state is State.DEGRADED
            assert store.failures["oom"] > 0
            client.config_set("maxmemory", "0")
        await comes_to(store, away=False)
        assert "is degraded (oom)" in caplog.text


async def test_evicted_counters_begin_anew(
    own: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    with own.client() as client:
        client.config_set("maxmemory-policy", "allkeys-lru")
        async with opened(settings(own.url)) as store:
            assert "may evict live counters" in caplog.text
            client.config_set("maxmemory", str(client.info()["used_memory"] + 700_000))
            before = client.info()["evicted_keys"]
            for turn in range(20):
                told = [store.decide(hit(10, f"{turn} {n}")) for n in range(250)]
                assert all(verdict for (verdict,) in await asyncio.gather(*told))
            assert client.info()["evicted_keys"] > before


async def test_changed_password_is_read_anew(own: RedisServer, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("first\n")
    with own.client() as client:
        rules = ["on", "~th:*", "+@all", ">first"]
        client.execute_command("ACL", "SETUSER", "tollhouse", *rules)
        url = f"redis://tollhouse@127.0.0.1:{own.port}"
        async with opened(settings(url, file)) as store:
            assert await store.fits(10)
            client.execute_command("ACL", "SETUSER", "tollhouse", "<first", ">second")
            client.execute_command("CLIENT", "KILL", "USER", "tollhouse")
            await comes_to(store, away=True)
            await everyone_does_what_it_says(store)
            assert "first" not in store.store.health.trouble
            file.write_text("second\n")
            await comes_to(store, away=False)


async def test_user_without_permission_is_told(own: RedisServer) -> None:
    with own.client() as client:
        client.execute_command("ACL", "SETUSER", "weak", "on", "nopass", "~th:*", "+info")
    async with opened(settings(f"redis://weak:x@127.0.0.1:{own.port}"), wait=False) as store:
        trouble = await store.store.reachable(0.5)
    assert trouble is not None
    assert "permissions" in trouble


async def test_script_that_runs_too_long_is_given_up(own: RedisServer) -> None:
    async with opened(settings(own.url)) as store:
        with own.client() as client:
            client.config_set("lua-time-limit", "10")
            blocked = asyncio.create_task(asyncio.to_thread(block, own))
            await comes_to(store, away=True)
            client.script_kill()
            await comes_to(store, away=False)
            await blocked


def block(server: RedisServer) -> None:
    """Until it is killed."""
    with server.client() as client, pytest.raises(redis.ResponseError):
        client.eval("while true do end", 0)


async def test_defect_ends_no_more_than_a_connection(
    store: Opened, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(link: Link, replies: int) -> list[object]:
        raise AttributeError("a surprise of a library")

    with monkeypatch.context() as patch:
        patch.setattr(Link, "receive", broken)
        assert await is_away(store)
        assert "a surprise of a library" in caplog.text
    await comes_to(store, away=False)
