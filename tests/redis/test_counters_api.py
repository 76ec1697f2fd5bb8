"""Operations on counters over HTTP when the counters are on Redis."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from aiohttp.test_utils import TestClient, TestServer
from aiohttp.web import Application, Request
from yarl import URL

from ratelimit import counters_api, http_api
from ratelimit.limitador_file import parse
from tests.ratelimit.host import Host
from tests.redis.stores import Opened

LIMITS = """
- {namespace: ns, max_value: 10, seconds: 60, name: per user, conditions: [],
   variables: ["descriptors[0].u"]}
- {namespace: ns, max_value: 100, seconds: 60, algorithm: token_bucket, name: tokens,
   conditions: [], variables: []}
- {namespace: other, max_value: 5, seconds: 60, conditions: [], variables: []}
"""
U = "descriptors[0].u"
PATH = "/counters/ns"


async def everybody(request: Request, *, changes: bool) -> None:
    """Lets all in."""


@pytest_asyncio.fixture
async def client(store: Opened) -> AsyncIterator[TestClient]:
    host = Host(native=False, loaded=False)
    await host.active.apply(parse(LIMITS, "limits.yaml"))
    host.service.store = store.store
    application = Application()
    application.add_routes(http_api.routes(host.service, host.clock))
    application.add_routes(counters_api.routes(host.service, everybody))
    async with TestClient(TestServer(application)) as client:
        yield client


async def report(client: TestClient, user: str, delta: int = 1, namespace: str = "ns") -> None:
    body = {"namespace": namespace, "values": {"u": user}, "delta": delta}
    assert (await client.post("/report", json=body)).status == 200


async def listed(client: TestClient, query: str = "") -> dict[str, int]:
    """Value by user; "" is the token bucket."""
    found = {}
    url = f"{PATH}?count=50{query}"
    while url:
        async with client.get(url) as response:
            assert response.status == 200, await response.text()
            for counter in await response.json():
                found[counter["set_variables"].get(U, "")] = counter["value"]
            following = response.links.get("next")
            url = URL(str(following["url"])).path_qs if following else ""
    return found


async def test_counters_are_listed_filtered_reset_and_set(client: TestClient) -> None:
    await report(client, "ann", 4)
    await report(client, "bob", 1)
    await report(client, "ann", 1, "other")
    assert await listed(client) == {"ann": 4, "bob": 1, "": 5}
    assert await listed(client, "&value_over=3&limit=per+user") == {"ann": 4}
    assert await listed(client, f"&var.{U}=bob") == {"bob": 1}
    async with client.patch(f"{PATH}?var.{U}=ann", json={"value": 9}) as response:
        assert response.status == 200
    assert await listed(client, "&limit=per+user") == {"ann": 9, "bob": 1}
    async with client.delete(f"{PATH}?limit=per+user&value_over=5") as response:
        assert await response.json() == {"removed": 1}
    assert await listed(client, "&limit=per+user") == {"bob": 1}
    async with client.delete(PATH) as response:
        assert await response.json() == {"removed": 2}
    assert await listed(client) == {}
    assert len(await (await client.get("/counters/other")).json()) == 1


async def test_many_counters_come_in_pages(client: TestClient) -> None:
    users = {f"user {number}" for number in range(300)}
    for user in users:
        await report(client, user)
    assert (await listed(client, "&limit=per+user")).keys() == users
    found = await (await client.get(f"{PATH}?limit=per+user")).json()
    assert sorted(c["set_variables"][U] for c in found) == sorted(users)


@pytest.mark.parametrize("cursor", ["nonsense", "-1", "9" * 40, "%F0%9F%98%80"])
async def test_unusable_cursor_is_400(client: TestClient, cursor: str) -> None:
    await report(client, "ann")
    async with client.get(f"{PATH}?count=1&cursor={cursor}") as response:
        assert response.status == 400
