"""Domains over xDS: what is asked, taken over, acknowledged and refused."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from protos.generated import ratelimit_config_pb2
from ratelimit.descriptors import xds_resource
from ratelimit.errors import LimitsFileError
from tests.descriptors.host import Host, descriptor
from tests.descriptors.management_server import (
    PATIENCE_SECONDS,
    domain,
    management_server,
)
from tollhouse.ratelimit_settings import XdsSettings
from tollhouse.xds_client import XdsClient
from tollhouse.xds_source import XdsSource


@asynccontextmanager
async def following(
    host: Host, server: str, **settings: object
) -> AsyncIterator[tuple[XdsSource, list[int]]]:
    """A source that follows the server; and how many domains were in force after each take-over."""
    taken: list[int] = []
    made = XdsSettings(server=server, backoff_initial=0.01, backoff_max=0.02, **settings)
    source = XdsSource(
        made, host.active, lambda: taken.append(len(host.active.current.by_name)), wait=True
    )
    starting = asyncio.create_task(source.start())
    try:
        yield source, taken
    finally:
        starting.cancel()
        await source.stop()


async def test_domains_are_taken_over_and_acknowledged() -> None:
    host = Host(True)
    async with management_server() as (server, address):
        async with following(
            host,
            address,
            node_id="n1",
            node_metadata={"zone": "a"},
            headers={"Authorization": "token"},
        ) as (_, taken):
            first = await server.asked()
            assert (first.node.id, first.node.metadata["zone"]) == ("n1", "a")
            assert (first.type_url, first.version_info) == (xds_resource.TYPE_URL, "")
            assert server.headers["authorization"] == "token"
            server.send([domain("d", 5), domain("e", 6)], version="v1")
            ack = await server.asked()
            assert (ack.version_info, ack.response_nonce) == ("v1", "1")
            assert not ack.HasField("error_detail")
            assert host.should("d", descriptor({"a": "x"})).statuses[0].limit_remaining == 4
            server.send([domain("e", 6)], version="v2")
            assert (await server.asked()).version_info == "v2"
            assert taken == [2, 1]


async def test_what_is_refused_is_told_and_changes_nothing() -> None:
    host = Host(True)
    async with management_server() as (server, address):
        async with following(host, address):
            await server.asked()
            server.send([domain("d", 5)], version="v1")
            await server.asked()
            server.send([domain("d", 5), domain("e", 6, unit=0)], version="v2")
            nack = await server.asked()
            assert (nack.version_info, nack.response_nonce) == ("v1", "2")
            assert nack.error_detail.message == (
                "xds 'of e': descriptors[0].rate_limit.unit: is missing"
            )
            assert list(host.active.current.by_name) == ["d"]
            assert host.active.refusals == 1
            server.send([domain("d", 5), domain("d", 6)], version="v3")
            nack = await server.asked()
            assert "'d' stands in xds 'of d' too" in nack.error_detail.message


async def test_a_stream_that_ends_is_opened_again() -> None:
    host = Host(True)
    async with management_server() as (server, address):
        async with following(host, address):
            await server.asked()
            server.send([domain("d", 5)], version="v1")
            await server.asked()
            server.end_stream()
            again = await server.asked()
            assert (again.version_info, again.response_nonce) == ("v1", "")
            server.send([domain("d", 5)], version="v1")
            assert (await server.asked()).response_nonce == "2"
            assert server.streams == 2


async def test_waits_double_and_begin_anew_after_a_response() -> None:
    waits: list[float] = []
    go_on = asyncio.Event()

    async def pause(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) >= 4:
            go_on.set()
            await asyncio.Event().wait()

    async def take(resources: object) -> None:
        raise AssertionError("nobody sends anything")

    settings = XdsSettings(
        server="127.0.0.1:1", backoff_initial=10, backoff_max=35, backoff_jitter=False
    )
    client = XdsClient(settings, "t", take, pause=pause)
    client.start()
    await asyncio.wait_for(go_on.wait(), PATIENCE_SECONDS)
    await client.stop()
    assert waits == [10, 20, 35, 35]


@pytest.mark.parametrize(
    ("type_url", "data", "complaint"),
    [
        ("type.googleapis.com/x", b"", "xds: 'type.googleapis.com/x' is no type.googleapis.com/"),
        (xds_resource.TYPE_URL, b"\xff", "xds: is no RateLimitConfig"),
        (xds_resource.TYPE_URL, b"", "xds '': domain: is missing or empty"),
    ],
)
def test_resources_that_are_none(type_url: str, data: bytes, complaint: str) -> None:
    with pytest.raises(LimitsFileError) as caught:
        xds_resource.parse(type_url, data)
    assert str(caught.value).startswith(complaint)


def test_a_whole_resource() -> None:
    config = ratelimit_config_pb2.RateLimitConfig(name="n", domain="d")
    outer = config.descriptors.add(key="k", value="v*")
    inner = outer.descriptors.add(key="l", shadow_mode=True, quota_mode=True, detailed_metric=True)
    inner.metadata.update({"m": {"x": [1, "y"]}})
    inner.rate_limit.unit = 7
    inner.rate_limit.requests_per_unit = 3
    inner.rate_limit.name = "one"
    inner.rate_limit.replaces.add(name="two")
    (node,) = xds_resource.parse(xds_resource.TYPE_URL, config.SerializeToString()).nodes
    assert (node.composite, node.wildcard, node.limit) == ("k_v*", True, None)
    limit = node.children[0].limit
    assert limit is not None
    assert (limit.unit.name, limit.requests, limit.name, limit.replaces) == (
        "WEEK",
        3,
        "one",
        ("two",),
    )
    assert limit.shadow_mode
    assert limit.quota_mode
    assert limit.detailed_metric
    assert limit.metadata == {"m": {"x": [1.0, "y"]}}


def test_faults_of_a_resource() -> None:
    config = ratelimit_config_pb2.RateLimitConfig(name="n", domain="d")
    config.descriptors.add()
    for _ in range(2):
        config.descriptors.add(key="k")
    limit = config.descriptors.add(key="u").rate_limit
    limit.unlimited = True
    limit.unit = 1
    limit.name = "x"
    limit.replaces.add()
    limit.replaces.add(name="x")
    with pytest.raises(LimitsFileError) as caught:
        xds_resource.parse(xds_resource.TYPE_URL, config.SerializeToString())
    assert str(caught.value).splitlines() == [
        "xds 'n': descriptors[0].key: is missing or empty",
        "xds 'n': descriptors[2]: the descriptor 'k' stands twice",
        "xds 'n': descriptors[3].rate_limit.unit: is given to an unlimited rate limit",
        "xds 'n': descriptors[3].rate_limit.replaces[0].name: is missing or empty",
        "xds 'n': descriptors[3].rate_limit.replaces[1].name: a limit cannot replace itself",
    ]
