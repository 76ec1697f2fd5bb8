"""Metadata uma: reference §2.11, case 47 and the recording uma-metadata."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from authz.errors import EvaluatorFailed, Unavailable
from authz.evaluators.uma import MOST_RESOURCES, UmaMetadata, open_uma
from authz.kinds import METADATA
from authz.services import Services
from tests.authz.entries import faults, opening, put_secret, read, turn
from tests.authz.oidc_provider import CLIENT_ID, CLIENT_SECRET
from tests.authz.uma_provider import UmaProvider

KIND = METADATA["uma"]


@pytest.fixture
async def services() -> AsyncIterator[Services]:
    services = Services()
    put_secret(services, "client", clientID=CLIENT_ID, clientSecret=CLIENT_SECRET)
    yield services
    await services.close()


@pytest.fixture
async def provider() -> AsyncIterator[UmaProvider]:
    async with UmaProvider(path="/realms/toys") as provider:
        provider.resources = {"r1": {"_id": "r1", "owner": "ann"}, "r2": {"_id": "r2", "n": 1}}
        yield provider


@pytest.fixture
def evaluator(services: Services, provider: UmaProvider) -> UmaMetadata:
    return opened(services, provider.issuer)


def opened(services: Services, endpoint: str, secret: str = "client") -> UmaMetadata:
    spec = read(KIND, {"endpoint": endpoint, "credentialsRef": {"name": secret}})
    return open_uma(spec, opening(services))


async def failure(evaluator: UmaMetadata, services: Services) -> str:
    with pytest.raises(EvaluatorFailed) as failed:
        await evaluator.fetch(turn(services, "/a"))
    return str(failed.value)


async def test_resources_of_a_path(
    services: Services, provider: UmaProvider, evaluator: UmaMetadata
) -> None:
    evaluator.start()
    provider.uris["/greetings/1"] = ["r2", "gone", "r1"]
    found = await evaluator.fetch(turn(services, "/greetings/1"))
    assert found == [{"_id": "r2", "n": 1.0}, {"_id": "r1", "owner": "ann"}]
    assert await evaluator.fetch(turn(services, "/none")) == []
    assert provider.hits["/token"] == 2
    evaluator.close()
    assert len(services.providers) == 0


@pytest.mark.parametrize(
    ("path", "uri"),
    [
        ("/a?x=1", "/a?x=1"),
        ("/a?x=1&owner=me", "/a?x=1&owner=me"),
        ("/a#b", "/a#b"),
        ("/a+b c", "/a+b c"),
        ("/a%2Fb%26c", "/a/b&c"),
        ("/ä", "/ä"),
        ("/a;b=c", "/a;b=c"),
    ],
)
async def test_a_path_is_one_parameter(
    services: Services, provider: UmaProvider, evaluator: UmaMetadata, path: str, uri: str
) -> None:
    provider.uris[uri] = ["r1"]
    found = await evaluator.fetch(turn(services, path))
    assert found == [{"_id": "r1", "owner": "ann"}], provider.asked
    evaluator.close()


async def test_ids_stay_below_the_endpoint(
    services: Services, provider: UmaProvider, evaluator: UmaMetadata
) -> None:
    provider.uris["/a"] = ["../token", "r1?x", "a/b", "r1"]
    assert await evaluator.fetch(turn(services, "/a")) == [{"_id": "r1", "owner": "ann"}]
    assert provider.hits["/token"] == 1
    evaluator.close()


@pytest.mark.parametrize("ids", [{"error": "x"}, "r1", [1], None])
async def test_ids_are_a_list_of_texts(
    services: Services, provider: UmaProvider, evaluator: UmaMetadata, ids: Any
) -> None:
    provider.uris["/a"] = ids
    assert await failure(evaluator, services) == "the UMA provider gave no list of resource ids"
    evaluator.close()


async def test_how_many_resources_are_read_is_bounded(
    services: Services, provider: UmaProvider, evaluator: UmaMetadata
) -> None:
    provider.uris["/a"] = ["r1"] * (MOST_RESOURCES + 1)
    assert await failure(evaluator, services) == "more than 64 resources match"
    evaluator.close()


async def test_what_a_provider_may_refuse(
    services: Services, provider: UmaProvider, evaluator: UmaMetadata
) -> None:
    provider.broken["/resources"] = 403
    assert await failure(evaluator, services) == "UMA request failed: 403 Forbidden"
    provider.broken["/resources"] = 0
    assert await failure(evaluator, services) == "UMA request failed: the connection failed"
    put_secret(services, "wrong", clientID=CLIENT_ID, clientSecret="guess")
    wrong = opened(services, provider.issuer, "wrong")
    assert await failure(wrong, services) == "no client token: status 401"
    evaluator.close()
    wrong.close()


@pytest.mark.parametrize(
    "overrides",
    [
        {"issuer": "http://somebody.else"},
        {"token_endpoint": None},
        {"resource_registration_endpoint": 7},
    ],
)
async def test_a_discovery_document_that_does_not_fit(
    services: Services, provider: UmaProvider, overrides: dict[str, Any]
) -> None:
    provider.overrides = overrides
    evaluator = opened(services, provider.issuer)
    reason = await failure(evaluator, services)
    assert reason == "failed to decode uma provider discovery object"
    evaluator.close()


async def test_a_document_that_is_away_is_fetched_later(
    services: Services, provider: UmaProvider, evaluator: UmaMetadata
) -> None:
    provider.broken["/.well-known/uma2-configuration"] = 500
    assert await failure(evaluator, services) == "failed to decode uma provider discovery object"
    evaluator.close()


async def test_equal_paths_are_asked_for_once(
    services: Services, provider: UmaProvider, evaluator: UmaMetadata
) -> None:
    await asyncio.gather(*(evaluator.fetch(turn(services, "/a")) for _ in range(4)))
    assert provider.hits["/token"] == 1
    evaluator.close()


def test_the_client_needs_its_secret(services: Services) -> None:
    with pytest.raises(Unavailable, match="'gone' does not exist"):
        opened(services, "http://idp", "gone")
    assert len(services.providers) == 0


@pytest.mark.parametrize(
    ("data", "expected"),
    [({}, ["entry.endpoint: is required", "entry.credentialsRef: is required"])],
)
def test_faults(data: dict[str, Any], expected: list[str]) -> None:
    assert faults(KIND, data) == expected
