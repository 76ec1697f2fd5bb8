"""Operations on counters over HTTP; their listing without parameters is in test_http_api."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from aiohttp.web import Application
from yarl import URL

from ratelimit import counters_api
from ratelimit.errors import StoreUnavailable
from ratelimit.limitador_file import parse
from tests.ratelimit.host import Host

LIMITS = """
- {namespace: ns, max_value: 10, seconds: 60, name: per user, conditions: [],
   variables: ["descriptors[0].u"]}
- {namespace: ns, max_value: 100, seconds: 60, name: per pair, conditions: [],
   variables: ["descriptors[0].u", "descriptors[0].p"]}
- {namespace: ns, max_value: 1000, seconds: 60, conditions: [], variables: []}
- {namespace: other, max_value: 5, seconds: 60, conditions: [], variables: []}
- {namespace: twins, max_value: 5, seconds: 60, conditions: [], variables: []}
- {namespace: twins, max_value: 5, seconds: 61, conditions: [], variables: []}
"""
U, P = "descriptors[0].u", "descriptors[0].p"
PATH = "/counters/ns"


class Access:
    """Notes who asks, and lets them in unless `refusing`."""

    def __init__(self) -> None:
        self.asked: list[bool] = []
        self.refusing = False

    async def __call__(self, request: web.Request, *, changes: bool) -> None:
        self.asked.append(changes)
        if self.refusing:
            raise web.HTTPUnauthorized(text="no")


@pytest.fixture
def host() -> Host:
    return Host(native=True)


@pytest.fixture
def access() -> Access:
    return Access()


@pytest.fixture
async def client(host: Host, access: Access) -> AsyncIterator[TestClient]:
    await host.active.apply(parse(LIMITS, "limits.yaml"))
    application = Application()
    application.add_routes(counters_api.routes(host.service, access))
    async with TestClient(TestServer(application)) as client:
        yield client


@pytest.fixture
def used(host: Host) -> Host:
    """ann: 3 hits on /a and 2 on /b; bob: 1 hit on /a; 6 in all."""
    host.load(LIMITS)
    for user, path, hits in (("ann", "/a", 3), ("ann", "/b", 2), ("bob", "/a", 1)):
        host.report("ns", {"u": user, "p": path}, hits=hits)
    host.report("other")
    return host


async def listed(client: TestClient, **query: str) -> list[tuple[str | None, tuple[str, ...], int]]:
    """(limit, values, value), sorted; found in one page."""
    async with client.get(PATH, params={"count": "1000", **query}) as response:
        assert response.status == 200, await response.text()
        assert "next" not in response.links
        found = await response.json()
    return sorted(
        (c["limit"]["name"] or "", tuple(c["set_variables"].values()), c["value"]) for c in found
    )


ALL = [
    ("", (), 6),
    ("per pair", ("/a", "ann"), 3),
    ("per pair", ("/a", "bob"), 1),
    ("per pair", ("/b", "ann"), 2),
    ("per user", ("ann",), 5),
    ("per user", ("bob",), 1),
]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, ALL),
        ({"limit": "per user"}, ALL[4:]),
        ({"limit": ""}, ALL[:1]),
        ({"limit": "none such"}, []),
        ({f"var.{U}": "ann"}, [ALL[1], ALL[3], ALL[4]]),
        ({f"var.{U}": "ann", f"var.{P}": "/b"}, [ALL[3]]),
        ({f"var.{U}": "carl"}, []),
        ({"var.unknown": "ann"}, []),
        ({"value_over": "2"}, [ALL[0], ALL[1], ALL[4]]),
        ({"value_over": "2", "limit": "per user"}, [ALL[4]]),
    ],
)
async def test_filters_pick_counters(
    client: TestClient, used: Host, query: dict[str, str], expected: list[Any]
) -> None:
    assert await listed(client, **query) == expected


async def test_pages_together_hold_everything_once(client: TestClient, host: Host) -> None:
    for number in range(250):
        host.report("ns", {"u": f"user {number}"})
    seen = []
    pages = 0
    url = f"{PATH}?limit=per+user&count=20"
    while url:
        async with client.get(url) as response:
            seen += [c["set_variables"][U] for c in await response.json()]
            following = response.links.get("next")
            url = URL(str(following["url"])).path_qs if following else ""
        pages += 1
    assert sorted(seen) == sorted(f"user {number}" for number in range(250))
    assert pages > 5


async def test_long_listing_without_pages_is_whole(client: TestClient, host: Host) -> None:
    for number in range(2500):
        host.report("ns", {"u": f"user {number}"})
    found = await (await client.get(f"{PATH}?limit=per+user")).json()
    assert len({c["set_variables"][U] for c in found}) == len(found) == 2500
    assert "value" not in found[0]


@pytest.mark.parametrize(
    ("query", "removed", "left"),
    [
        ({}, 6, []),
        ({"limit": "per pair"}, 3, [ALL[0], *ALL[4:]]),
        ({f"var.{U}": "ann"}, 3, [ALL[0], ALL[2], ALL[5]]),
        ({f"var.{U}": "ann", "limit": "per user"}, 1, [*ALL[:4], ALL[5]]),
        ({f"var.{U}": "ann", "value_over": "2"}, 2, [ALL[0], ALL[2], ALL[3], ALL[5]]),
        ({f"var.{U}": "carl"}, 0, ALL),
        ({"limit": ""}, 1, ALL[1:]),
    ],
)
async def test_delete_resets_what_is_meant(
    client: TestClient, used: Host, query: dict[str, str], removed: int, left: list[Any]
) -> None:
    async with client.delete(PATH, params=query) as response:
        assert await response.json() == {"removed": removed}
    assert await listed(client) == left
    assert len(await (await client.get("/counters/other")).json()) == 1


async def test_patch_sets_a_counter_that_decisions_then_see(client: TestClient, host: Host) -> None:
    ask = {"limit": "per user", f"var.{U}": "ann"}
    async with client.patch(PATH, params=ask, json={"value": 9}) as response:
        assert response.status == 200
        told = await response.json()
    assert (told["value"], told["set_variables"], told["limit"]["name"]) == (
        9,
        {U: "ann"},
        "per user",
    )
    assert await listed(client, **ask) == [("per user", ("ann",), 9)]
    async with client.patch(PATH, params=ask, json={"value": 0}) as response:
        assert response.status == 200
    assert await listed(client, **ask) == []


@pytest.mark.parametrize(
    ("path", "query", "body", "status", "named"),
    [
        (PATH, {"limit": "none such"}, {"value": 1}, 404, "no such limit"),
        (PATH, {"limit": "per pair", f"var.{U}": "ann"}, {"value": 1}, 400, f"var.{P}"),
        (PATH, {"value_over": "1", "limit": ""}, {"value": 1}, 400, "value_over"),
        (PATH, {"limit": ""}, {"value": -1}, 400, "value"),
        (PATH, {"limit": ""}, {"value": 2**64}, 400, "value"),
        (PATH, {"limit": ""}, {"value": 1, "more": 1}, 400, "more"),
        (PATH, {"limit": ""}, ["value"], 400, "value"),
        ("/counters/twins", {}, {"value": 1}, 409, "several limits"),
    ],
)
async def test_patch_refuses_what_is_unclear(
    client: TestClient, path: str, query: dict[str, str], body: object, status: int, named: str
) -> None:
    async with client.patch(path, params=query, json=body) as response:
        assert (response.status, named in await response.text()) == (status, True)


@pytest.mark.parametrize("method", ["GET", "DELETE", "PATCH"])
@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("limt=x", "limt"),
        ("limit=a&limit=b", "given twice"),
        ("value_over=-1", "value_over"),
        ("value_over=18446744073709551616", "value_over"),
        ("count=0", "count"),
        ("count=10001", "count"),
        ("cursor=nonsense", "cursor"),
    ],
)
async def test_unknown_parameters_and_values_are_400(
    client: TestClient, used: Host, method: str, query: str, named: str
) -> None:
    if method != "GET" and ("count" in query or "cursor" in query):
        named = "unknown"  # nothing is deleted by pages
    async with client.request(method, f"{PATH}?{query}", json={"value": 1}) as response:
        assert (response.status, named in await response.text()) == (400, True)
    assert await listed(client) == ALL


async def test_every_operation_asks_for_access(
    client: TestClient, access: Access, used: Host
) -> None:
    access.refusing = True
    for method in ("GET", "PATCH", "DELETE"):
        async with client.request(method, PATH, json={"value": 1}) as response:
            assert response.status == 401
    assert access.asked == [False, True, True]
    access.refusing = False
    assert await listed(client) == ALL


@pytest.mark.parametrize("method", ["HEAD", "POST", "PUT", "OPTIONS"])
async def test_other_methods_are_404(client: TestClient, method: str) -> None:
    assert (await client.request(method, PATH)).status == 404


async def test_store_out_of_reach_is_500(
    client: TestClient, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        raise StoreUnavailable("away")

    monkeypatch.setattr(host.store, "list", fail)
    monkeypatch.setattr(host.store, "remove", fail)
    reason = "the counters cannot be reached: away"
    for method, path, text in (
        ("GET", PATH, "Internal server error"),
        ("GET", f"{PATH}?count=10", reason),
        ("DELETE", PATH, reason),
    ):
        async with client.request(method, path) as response:
            assert (response.status, await response.text()) == (500, text)


async def test_remaining_is_what_the_counter_still_takes(host: Host, client: TestClient) -> None:
    text = """
    - {namespace: new, algorithm: token_bucket, max_value: 2, seconds: 60, burst: 9,
       conditions: [], variables: []}
    - {namespace: new, unlimited: true, seconds: 60, conditions: [], variables: []}
    """
    await host.active.apply(parse(text, "limits.yaml"))
    for _ in range(4):
        host.should("new")
    found = await (await client.get("/counters/new")).json()
    assert sorted((each["limit"].get("burst", 0), each["remaining"]) for each in found) == [
        (0, None),
        (9, 5),
    ]
