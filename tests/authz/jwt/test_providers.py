"""Discovery documents and key sets over HTTP."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest

from authz.jwt.discovery import ProviderUnavailable, Source
from authz.jwt.providers import Providers
from authz.jwt.refreshed import BURST
from authz.jwt.trusted_keys import NO_KEYS, KeySetUrl
from authz.outgoing.client import Outgoing
from tests.authz.http_backend import Backend, http_backend
from tests.authz.jwt.fake_clock import FakeClock, settled
from tests.authz.jwt.tokens import key_set, public_jwk

DISCOVERY = "/.well-known/openid-configuration"
FIRST, SECOND = public_jwk("RSA", kid="a"), public_jwk("RSA", 1, kid="b")


@dataclass
class World:
    backend: Backend
    clock: FakeClock
    providers: Providers

    def publishes(self, *keys: dict[str, Any], **members: Any) -> None:
        """A discovery document and a key set."""
        url = self.backend.url
        self.backend.says(DISCOVERY, {"issuer": url, "jwks_uri": f"{url}/keys", **members})
        self.backend.says("/keys", key_set(*(keys or (FIRST,))))

    def asked_for(self, path: str) -> int:
        return sum(seen.target == path for seen in self.backend.seen)

    async def move(self, seconds: float, asked: int) -> None:
        """Until so many requests have come and were answered."""
        await self.clock.move(seconds)
        await self.backend.asked(asked)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with http_backend() as backend:
        outgoing, clock = Outgoing(), FakeClock()
        yield World(backend, clock, Providers(outgoing, clock))
        await outgoing.close()


async def test_document_is_fetched_once_for_all_who_share_it(world: World) -> None:
    world.publishes(userinfo_endpoint="/me")
    source = Source.openid(world.backend.url)
    first, second = world.providers.open(source), world.providers.open(source)
    documents = await asyncio.gather(*(one.metadata(None) for one in (first, second) * 10))
    assert {document["userinfo_endpoint"] for document in documents} == {"/me"}
    assert world.asked_for(DISCOVERY) == 1
    first.close()
    assert len(world.providers) == 1
    assert (await second.metadata(None))["userinfo_endpoint"] == "/me"
    second.close()
    assert len(world.providers) == 0
    assert world.clock.next_in is None


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("not json", 200), ("[]", 200), ("null", 200), ('{"issuer": 5}', 200), ("{}", 200),
        ('{"issuer": "https://other.test"}', 200), ("{}", 404), ("{}", 500), ("{}", 204),
        ("[" * 100_000, 200), (" " * (2 << 20), 200), ("\ud7ff" + "x", 200),
    ],
)  # fmt: skip
async def test_other_answers_are_no_document(world: World, body: str, status: int) -> None:
    world.backend.says(DISCOVERY, body, status=status)
    provider = world.providers.open(Source.openid(world.backend.url))
    with pytest.raises(ProviderUnavailable, match="missing openid connect configuration"):
        await provider.metadata(None)
    provider.close()


async def test_slow_provider_holds_nobody_up(world: World) -> None:
    released = world.backend.hangs(DISCOVERY)
    provider = world.providers.open(Source.openid(world.backend.url))
    provider.start()
    deadline = asyncio.get_running_loop().time() + 0.02
    with pytest.raises(ProviderUnavailable):
        await provider.metadata(deadline)
    provider.close()
    short = world.providers.open(Source.openid(world.backend.url, timeout_s=0.02))
    with pytest.raises(ProviderUnavailable):
        await short.metadata(None)
    released.set()
    short.close()


async def test_issuer_may_have_another_name_outside(world: World) -> None:
    world.publishes(issuer="https://outside.test")
    with pytest.raises(ProviderUnavailable):
        await world.providers.open(Source.openid(world.backend.url)).metadata(None)
    source = Source.openid(world.backend.url, "https://outside.test")
    assert (await world.providers.open(source).metadata(None))["issuer"] == "https://outside.test"


def test_urls_of_documents() -> None:
    assert Source.openid("http://a/realm/").url == f"http://a/realm{DISCOVERY}"
    assert Source.openid("http://a/realm/").issuer == "http://a/realm/"
    assert Source.uma2("http://a/realm").url == "http://a/realm/.well-known/uma2-configuration"


async def test_document_is_refreshed_as_often_as_asked(world: World) -> None:
    world.publishes(v=1)
    provider = world.providers.open(Source.openid(world.backend.url, refresh_s=3))
    assert (await provider.metadata(None))["v"] == 1
    world.publishes(v=2)
    fetched = asyncio.Event()
    provider.changed.add(fetched.set)
    await world.clock.move(3)
    await asyncio.wait_for(fetched.wait(), 10)
    assert (await provider.metadata(None))["v"] == 2
    provider.close()


async def test_algorithms_are_those_of_the_document(world: World) -> None:
    world.publishes(id_token_signing_alg_values_supported=["ES256", "HS256", "RS256"])
    keys = world.providers.open_keys(Source.openid(world.backend.url))
    assert (await keys.get(None)).algorithms == ("ES256", "RS256")
    keys.close()
    assert len(world.providers) == 0


async def test_algorithms_of_a_plain_key_set_are_those_of_its_keys(world: World) -> None:
    world.backend.says("/keys", key_set({**FIRST, "alg": "PS256"}, public_jwk("P-256")))
    keys = world.providers.open_keys(KeySetUrl(f"{world.backend.url}/keys"))
    assert (await keys.get(None)).algorithms == ("ES256", "PS256")
    keys.close()


async def test_new_key_is_found_when_asked_for(world: World) -> None:
    world.publishes(FIRST)
    keys = world.providers.open_keys(Source.openid(world.backend.url))
    changes: list[object] = []
    keys.changed.add(lambda: changes.append(keys.trust))
    before = await keys.get(None)
    world.publishes(FIRST, SECOND)
    after = await keys.renewed(None)
    assert [key.id for key in after.keys.keys] == ["a", "b"]
    assert await keys.renewed(None) is after  # the same keys once more are no change
    assert changes == [before, after]
    assert world.asked_for(DISCOVERY) == 1
    keys.close()


async def test_keys_stay_while_the_provider_is_down(world: World) -> None:
    world.publishes(FIRST)
    keys = world.providers.open_keys(Source.openid(world.backend.url))
    before = await keys.get(None)
    for body, status in (("", 500), ("{}", 200), ("no", 200), (json.dumps({"keys": 5}), 200)):
        world.backend.says("/keys", body, status=status)
        assert await keys.renewed(None) is before
    assert world.asked_for("/keys") == BURST + 1
    keys.close()


async def test_empty_key_set_is_believed(world: World) -> None:
    """An issuer that withdraws its keys means it."""
    world.publishes(FIRST)
    keys = world.providers.open_keys(Source.openid(world.backend.url))
    await keys.get(None)
    world.backend.says("/keys", {"keys": []})
    assert (await keys.renewed(None)).keys.keys == ()
    keys.close()


@pytest.mark.parametrize("uri", [None, 5, "", "ftp://x/keys", "//x", "http://", "\r\n"])
async def test_document_without_a_usable_key_set(world: World, uri: object) -> None:
    world.publishes(jwks_uri=uri)
    keys = world.providers.open_keys(Source.openid(world.backend.url))
    with pytest.raises(ProviderUnavailable, match=NO_KEYS):
        await keys.get(None)
    keys.close()


async def test_keys_come_as_soon_as_the_document_does(world: World) -> None:
    world.backend.says(DISCOVERY, "", status=503)
    keys = world.providers.open_keys(Source.openid(world.backend.url))
    with pytest.raises(ProviderUnavailable, match="missing openid connect configuration"):
        await keys.get(None)
    world.publishes()
    assert await keys.get(None)
    keys.close()


async def test_moved_key_set_is_followed(world: World) -> None:
    world.publishes(FIRST)
    keys = world.providers.open_keys(Source.openid(world.backend.url, refresh_s=10))
    before = await keys.get(None)
    changed = asyncio.Event()
    keys.changed.add(changed.set)
    world.publishes(jwks_uri=f"{world.backend.url}/moved")
    world.backend.says("/moved", key_set(SECOND))
    await world.clock.move(10)
    await asyncio.wait_for(changed.wait(), 10)
    assert keys.trust != before
    assert [key.id for key in (await keys.get(None)).keys.keys] == ["b"]
    keys.close()


@pytest.mark.parametrize(
    ("header", "least", "most"),
    [("", 240, 285), ("max-age=100", 80, 95), ("public, max-age=5", 48, 57),
     ("max-age=999999", 2880, 3420), ("max-age=99999999999999999999", 240, 285),
     ("x-max-age=7000", 240, 285), ('max-age="100"', 80, 95)],
)  # fmt: skip
async def test_keys_are_fetched_again_when_they_say(
    world: World, header: str, least: float, most: float
) -> None:
    world.backend.says("/keys", key_set(FIRST), cache_control=header)
    keys = world.providers.open_keys(KeySetUrl(f"{world.backend.url}/keys"))
    await keys.get(None)
    await settled()
    assert least <= (world.clock.next_in or 0) <= most
    keys.close()


async def test_nothing_is_fetched_after_the_end(world: World) -> None:
    world.backend.says(DISCOVERY, "", status=500)
    keys = world.providers.open_keys(Source.openid(world.backend.url))
    keys.start()
    await world.backend.asked(1)
    world.providers.stop()
    await world.clock.move(10**6)
    with pytest.raises(ProviderUnavailable):
        await keys.get(None)
    assert len(world.backend.seen) == 1
    keys.close()
    assert len(world.providers) == 0
