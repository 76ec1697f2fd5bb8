"""Unix sockets, TLS, Sentinels and a Cluster, each started for real."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis.crc import key_slot

from _fastpath.counters import Mode
from _fastpath.limit_spec import Fail, namespace_tag
from ratelimit.errors import StoreUnavailable
from ratelimit.redis.key import HashTag
from ratelimit.redis.settings import RedisSettings
from tests.redis.servers import RedisServer, free_port
from tests.redis.stores import LIMIT, Opened, hit, opened
from tests.redis.topologies import (
    Certificates,
    RedisCluster,
    SentinelSetup,
    certificates,
    cluster,
    sentinels,
    waited_for,
)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def made_cluster() -> Iterator[RedisCluster]:
    with cluster() as made:
        yield made


@pytest.fixture(scope="module")
def made_sentinels() -> Iterator[SentinelSetup]:
    with sentinels() as made:
        yield made


def patient(url: str, hash_tag: HashTag = HashTag.NAMESPACE) -> RedisSettings:
    return RedisSettings(url, hash_tag=hash_tag, timeout_seconds=2.0)


async def passes_again(store: Opened, namespace: str = "tests") -> None:
    for _ in range(2000):
        try:
            await store.decide(hit(10**6, "probe"), namespace=namespace)
        except StoreUnavailable:
            await asyncio.sleep(0.01)
        else:
            return
    raise AssertionError("it stays away")


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def tls_port(pem: Certificates) -> Iterator[int]:
    port = free_port()
    with RedisServer(
        *("--tls-port", str(port), "--tls-auth-clients", "yes"),
        *("--tls-cert-file", str(pem.certificate), "--tls-key-file", str(pem.key)),
        *("--tls-ca-cert-file", str(pem.ca)),
    ):
        yield port


async def test_tls_with_a_client_certificate(tls_port: int, pem: Certificates) -> None:
    settings = RedisSettings(
        f"rediss://127.0.0.1:{tls_port}/3",
        ca_file=pem.ca,
        certificate_file=pem.certificate,
        key_file=pem.key,
    )
    async with opened(settings) as store:
        assert await store.fits(1)
        assert not await store.fits(1)


async def test_certificate_of_another_ca_is_refused(
    tls_port: int, pem: Certificates, tmp_path: Path
) -> None:
    other = certificates(tmp_path)
    settings = RedisSettings(
        f"rediss://127.0.0.1:{tls_port}",
        ca_file=other.ca,
        certificate_file=pem.certificate,
        key_file=pem.key,
    )
    async with opened(settings, wait=False) as store:
        trouble = await store.store.reachable(1.0)
    assert trouble is not None
    assert "certificate verify failed" in trouble


async def test_client_without_certificate_is_refused(tls_port: int, pem: Certificates) -> None:
    settings = RedisSettings(f"rediss://127.0.0.1:{tls_port}", ca_file=pem.ca)
    async with opened(settings, wait=False) as store:
        assert await store.store.reachable(1.0) is not None


async def test_insecure_url_takes_any_certificate(tls_port: int, pem: Certificates) -> None:
    settings = RedisSettings(
        f"rediss://127.0.0.1:{tls_port}#insecure",
        certificate_file=pem.certificate,
        key_file=pem.key,
    )
    async with opened(settings) as store:
        assert await store.fits(10, "insecure")


async def test_sentinels_lead_to_the_master(made_sentinels: SentinelSetup) -> None:
    async with opened(patient(made_sentinels.url)) as store:
        assert sum(await asyncio.gather(*(store.fits(5, "s") for _ in range(20)))) == 5


async def test_failover_of_sentinels_is_followed(made_sentinels: SentinelSetup) -> None:
    async with opened(patient(made_sentinels.url)) as store:
        await store.fits(10, "failover")
        old = made_sentinels.master()
        old.stop()
        assert not await store.fits(10, "failover", Fail.CLOSED)
        await passes_again(store)
        assert made_sentinels.master() is not old
        old.start()


async def test_missing_master_is_told(made_sentinels: SentinelSetup) -> None:
    url = made_sentinels.url.replace("/tests", "/other")
    async with opened(patient(url), wait=False) as store:
        trouble = await store.store.reachable(0.5)
    assert trouble is not None
    assert "no Sentinel names a master 'other'" in trouble


async def test_cluster_spreads_namespaces(made_cluster: RedisCluster) -> None:
    namespaces = [f"namespace {n}" for n in range(30)]
    async with opened(patient(made_cluster.url)) as store:
        told = await asyncio.gather(
            *(store.decide(hit(3), hit(9, "b"), namespace=n) for n in namespaces * 5)
        )
        assert sum(all(v is not None and v.fits for v in verdicts) for verdicts in told) == 90
        listed = {}
        cursor = ""
        while True:
            cursor, counters = await store.store.list({LIMIT}, cursor, 100)
            for counter in counters:
                listed.setdefault(counter.values, []).append(counter.value)
            if not cursor:
                break
        assert listed == {("a",): [3] * 30, ("b",): [3] * 30}
        assert len(list(store.store.health.nodes())) == 3
        assert await store.store.remove({LIMIT}) == 60


async def test_decision_over_several_slots_loses_no_hit(made_cluster: RedisCluster) -> None:
    async with opened(patient(made_cluster.url, HashTag.KEY)) as store:
        told = await asyncio.gather(
            *(store.decide(hit(10, "narrow"), hit(100, "wide")) for _ in range(40))
        )
        passed = sum(all(v is not None and v.fits for v in verdicts) for verdicts in told)
        narrow, wide = await store.decide(hit(10, "narrow"), hit(100, "wide"), mode=Mode.CHECK)
        assert passed == 10
        assert narrow is not None
        assert wide is not None
        assert (narrow.remaining, wide.remaining) == (0, 90)


def slot_of(namespace: str) -> int:
    return key_slot(namespace_tag(namespace))


async def test_moved_slot_is_followed_without_a_failure(made_cluster: RedisCluster) -> None:
    slot = slot_of("moving")
    source = made_cluster.holder(slot)
    target = next(
        made_cluster.holder(s) for s in range(0, 16384, 500) if made_cluster.holder(s) is not source
    )
    async with opened(patient(made_cluster.url)) as store:
        made_cluster.move(slot, source, target)
        for _ in range(3):
            (verdict,) = await store.decide(hit(3), namespace="moving")
            assert verdict is not None
            assert verdict.fits
        (verdict,) = await store.decide(hit(3), namespace="moving")
        assert verdict is not None
        assert not verdict.fits


async def test_first_decisions_wait_for_every_node(made_cluster: RedisCluster) -> None:
    """The store is reachable when one node is; the others may just be connecting."""
    for attempt in range(5):
        async with opened(patient(made_cluster.url)) as store:
            for number in range(6):
                namespace = f"first {attempt}.{number}"
                (verdict,) = await store.decide(hit(1), namespace=namespace)
                assert verdict is not None
                assert verdict.fits


async def test_slot_on_its_way_is_asked_for(made_cluster: RedisCluster) -> None:
    slot = slot_of("on its way")
    source = made_cluster.holder(slot)
    target = next(
        made_cluster.holder(s) for s in range(0, 16384, 500) if made_cluster.holder(s) is not source
    )
    with source.client() as from_, target.client() as to:
        async with opened(patient(made_cluster.url)) as store:
            to.execute_command(
                "CLUSTER", "SETSLOT", slot, "IMPORTING", made_cluster.identifier(source)
            )
            from_.execute_command(
                "CLUSTER", "SETSLOT", slot, "MIGRATING", made_cluster.identifier(target)
            )
            for _ in range(3):
                await store.decide(hit(5), namespace="on its way")
            assert to.cluster("COUNTKEYSINSLOT", slot) == 1
            assert from_.cluster("COUNTKEYSINSLOT", slot) == 0
            made_cluster.move(slot, source, target)
            (verdict,) = await store.decide(hit(5), namespace="on its way")
            assert verdict is not None
            assert verdict.remaining == 1


async def test_failover_of_a_cluster_is_followed(made_cluster: RedisCluster) -> None:
    namespace = "failing over"
    master = made_cluster.holder(slot_of(namespace))
    elsewhere = next(
        f"other {n}" for n in range(100) if made_cluster.holder(slot_of(f"other {n}")) is not master
    )
    async with opened(patient(made_cluster.url)) as store:
        await store.decide(hit(10), namespace=namespace)
        master.stop()
        (verdict,) = await store.decide(hit(10), namespace=namespace, fail=Fail.CLOSED)
        assert verdict is not None
        assert not verdict.fits
        await passes_again(store, elsewhere)
        await passes_again(store, namespace)
        master.start()
        waited_for(made_cluster.healthy)
