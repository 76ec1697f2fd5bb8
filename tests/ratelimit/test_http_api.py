"""The HTTP API as Limitador answers it; sources are recorded calls and its `http_api/server.rs`."""

import io
import json
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer
from aiohttp.web import Application

from ratelimit import counters_api, http_api
from ratelimit.api_spec import api_spec
from ratelimit.limitador_file import parse
from tests.ratelimit.host import Host, request

LIMITS = """
- {namespace: ns, max_value: 2, seconds: 60, conditions: ["descriptors[0].m == 'GET'"],
   variables: ["descriptors[0].u"], name: per user}
- {namespace: a/b, max_value: 5, seconds: 60, id: i, conditions: [], variables: []}
- {namespace: "", max_value: 1, seconds: 60, conditions: [], variables: []}
- {namespace: huge, max_value: 10, seconds: 60, conditions: [], variables: []}
"""
GET = {"m": "GET", "u": "ann"}


@pytest.fixture
def host() -> Host:
    return Host(native=True)


@pytest.fixture
async def client(host: Host) -> AsyncIterator[TestClient]:
    await host.active.apply(parse(LIMITS, "limits.yaml"))
    application = Application(client_max_size=http_api.MAX_BODY_BYTES)
    application.add_routes(http_api.routes(host.service, host.clock))
    application.add_routes(counters_api.routes(host.service))
    async with TestClient(TestServer(application)) as client:
        yield client


async def post(client: TestClient, path: str, **body: Any) -> tuple[int, str, str]:
    info = {"namespace": "ns", "values": GET, "delta": 1, **body}
    async with client.post(path, json=info) as response:
        return response.status, response.headers["content-type"], await response.text()


async def test_nothing_is_decided_before_limits_are_loaded() -> None:
    host = Host(native=True, loaded=False)
    application = Application()
    application.add_routes(http_api.routes(host.service, host.clock))
    async with TestClient(TestServer(application)) as client:
        for path in ("/check", "/report", "/check_and_report"):
            assert (await post(client, path))[0] == 503
        assert (await client.get("/status")).status == 503
    assert host.answer("ShouldRateLimit", request("ns").SerializeToString())[0] == 14


JSON, TEXT = "application/json", "text/plain; charset=utf-8"


async def test_check_and_report_allows_then_limits(client: TestClient) -> None:
    answers = [await post(client, "/check_and_report") for _ in range(3)]
    assert answers == [(200, JSON, "null"), (200, JSON, "null"), (429, JSON, "null")]


async def test_draft_03_adds_headers_on_both(client: TestClient) -> None:
    remaining = []
    body = {"namespace": "ns", "values": GET, "delta": 1, "response_headers": "DraftVersion03"}
    for _ in range(3):
        async with client.post("/check_and_report", json=body) as response:
            assert response.headers["X-RateLimit-Limit"] == '2, 2;w=60;name="per user"'
            remaining.append(response.headers["X-RateLimit-Remaining"])
    assert remaining == ["1", "0", "0"]


@pytest.mark.parametrize("spelling", ["DRAFT_VERSION_03", "", None])
async def test_other_header_choices_add_none(client: TestClient, spelling: str | None) -> None:
    body = {"namespace": "ns", "values": GET, "delta": 1, "response_headers": spelling}
    async with client.post("/check_and_report", json=body) as response:
        assert response.status == 200
        assert "X-RateLimit-Limit" not in response.headers


async def test_check_looks_and_report_charges(client: TestClient) -> None:
    assert await post(client, "/check", delta=2) == (200, JSON, "null")
    assert await post(client, "/report", delta=2) == (200, JSON, "null")
    assert await post(client, "/check") == (429, TEXT, "Too many requests")
    assert await post(client, "/check", delta=0) == (200, JSON, "null")
    assert await post(client, "/report", delta=20) == (200, JSON, "null")
    (counter,) = json.loads(await (await client.get("/counters/ns")).text())
    assert counter["remaining"] == 0


async def test_unknown_and_empty_namespaces_are_legal(client: TestClient) -> None:
    assert (await post(client, "/check_and_report", namespace="unknown"))[0] == 200
    codes = [(await post(client, "/check_and_report", namespace=""))[0] for _ in range(2)]
    assert codes == [200, 429]


async def test_delta_near_two_to_64_does_not_wrap(client: TestClient) -> None:
    huge = {"namespace": "huge", "values": {}}
    assert (await post(client, "/check_and_report", **huge, delta=5))[0] == 200
    for delta in (2**64 - 1, 2**64 - 2, 2**63):
        assert (await post(client, "/check", **huge, delta=delta))[0] == 429
        assert (await post(client, "/check_and_report", **huge, delta=delta))[0] == 429
    assert (await post(client, "/report", **huge, delta=2**64 - 1))[0] == 200
    assert (await post(client, "/check", **huge))[0] == 429


async def test_limits_lists_what_is_in_force(client: TestClient) -> None:
    async with client.get("/limits/ns") as response:
        assert response.headers["content-type"] == JSON
        assert await response.json() == [
            {
                "id": None,
                "namespace": "ns",
                "max_value": 2,
                "seconds": 60,
                "name": "per user",
                "conditions": ["descriptors[0].m == 'GET'"],
                "variables": ["descriptors[0].u"],
            }
        ]
    assert await (await client.get("/limits/unknown")).json() == []


async def test_namespace_may_hold_an_encoded_slash(client: TestClient) -> None:
    (limit,) = await (await client.get("/limits/a%2Fb")).json()
    assert limit["id"] == "i"
    assert (await client.get("/limits/a/b")).status == 404


async def test_counters_list_the_live_ones(client: TestClient, host: Host) -> None:
    await post(client, "/report", values={"m": "GET", "u": "ann"}, delta=1)
    await post(client, "/report", values={"m": "GET", "u": "bob"}, delta=2)
    host.advance(15.5)
    found = await (await client.get("/counters/ns")).json()
    assert {c["set_variables"]["descriptors[0].u"]: c["remaining"] for c in found} == {
        "ann": 1,
        "bob": 0,
    }
    assert {c["expires_in_seconds"] for c in found} == {44}
    assert found[0]["limit"]["name"] == "per user"
    host.advance(45)
    assert await (await client.get("/counters/ns")).json() == []


async def test_counters_show_the_limit_of_now(client: TestClient, host: Host) -> None:
    await post(client, "/report")
    await host.active.apply(parse(LIMITS.replace("max_value: 2", "max_value: 9"), "limits.yaml"))
    (counter,) = await (await client.get("/counters/ns")).json()
    assert (counter["limit"]["max_value"], counter["remaining"]) == (9, 8)


async def test_status_has_limitadors_fields(client: TestClient) -> None:
    async with client.get("/status") as response:
        assert response.headers["content-type"] == JSON
        told = await response.json()
    assert (told["config_version"], told["config_err_since"]) == (1, 0)
    assert told["started_at"][10] == "T"
    assert "+" not in told["started_at"]


BAD = [
    b"{",
    b"",
    b"nonsense",
    b"[]",
    b'{"values":{},"delta":1}',
    b'{"namespace":"ns","delta":1}',
    b'{"namespace":"ns","values":{}}',
    b'{"namespace":"ns","values":{},"delta":-1}',
    b'{"namespace":"ns","values":{},"delta":1.5}',
    b'{"namespace":"ns","values":{},"delta":"1"}',
    b'{"namespace":"ns","values":{},"delta":true}',
    b'{"namespace":"ns","values":{},"delta":18446744073709551616}',
    b'{"namespace":"ns","values":{"a":1},"delta":1}',
    b'{"namespace":"ns","values":[],"delta":1}',
    b'{"namespace":5,"values":{},"delta":1}',
    b'{"namespace":"ns","values":{"a":"\xff"},"delta":1}',
    b'{"namespace":"ns","values":{"a":"\\ud800"},"delta":1}',
    b"[" * 100_000,
    b'{"other":' + b"[" * 100_000,
]


@pytest.mark.parametrize("body", BAD)
@pytest.mark.parametrize("path", ["/check", "/report", "/check_and_report"])
async def test_bad_body_is_400(client: TestClient, path: str, body: bytes) -> None:
    async with client.post(path, data=body, headers={"content-type": JSON}) as response:
        assert (response.status, response.headers["content-type"]) == (400, TEXT)


@pytest.mark.parametrize("content_type", ["text/plain", "application/octet-stream"])
async def test_other_content_type_is_400(client: TestClient, content_type: str) -> None:
    body = b'{"namespace":"ns","values":{},"delta":1}'
    async with client.post("/check", data=body, headers={"content-type": content_type}) as response:
        assert response.status == 400


async def test_charset_and_unknown_fields_are_accepted(client: TestClient) -> None:
    body = b'{"namespace":"ns","values":{},"delta":1,"surprise":true}'
    headers = {"content-type": "application/json; charset=utf-8"}
    assert (await client.post("/check", data=body, headers=headers)).status == 200


async def test_body_past_two_megabytes_is_413(client: TestClient) -> None:
    headers = {"content-type": JSON}
    for length, code in ((2_500_000, 413), (1_500_000, 200)):
        body = json.dumps({"namespace": "ns", "values": {"k": "x" * length}, "delta": 1})
        data = io.BytesIO(body.encode())
        async with client.post("/check", data=data, headers=headers) as response:
            assert response.status == code

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(50):
            yield b" " * 50_000

    assert (await client.post("/check", data=chunks(), headers=headers)).status == 413


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/check"),
        ("GET", "/report"),
        ("PUT", "/check_and_report"),
        ("OPTIONS", "/check"),
        ("POST", "/status"),
        ("HEAD", "/status"),
        ("GET", "/status/"),
        ("DELETE", "/limits/ns"),
        ("POST", "/limits/ns"),
        ("DELETE", "/counters/ns"),
        ("GET", "/limits"),
        ("GET", "/limits/"),
        ("GET", "/counters/"),
        ("GET", "/nothing"),
    ],
)
async def test_other_methods_and_paths_are_404(client: TestClient, method: str, path: str) -> None:
    assert (await client.request(method, path)).status == 404


async def test_spec_lists_the_paths(client: TestClient) -> None:
    paths = (await (await client.get("/api/spec")).json())["paths"]
    assert {"/check", "/check_and_report", "/limits/{namespace}", "/metrics"} <= paths.keys()


@pytest.mark.parametrize("changes", [True, False])
def test_spec_is_whole(changes: bool) -> None:
    spec = api_spec(counter_changes=changes)
    text = json.dumps(spec)
    for name in re.findall(r"#/definitions/(\w+)", text):
        assert name in spec["definitions"]
    assert ("delete" in spec["paths"]["/counters/{namespace}"]) == changes
    for operations in spec["paths"].values():
        for operation in operations.values():
            assert operation["summary"]
            assert operation["responses"]


async def test_only_check_and_report_counts(client: TestClient, host: Host) -> None:
    await post(client, "/check")
    await post(client, "/report", delta=1)
    for delta in (1, 5):
        await post(client, "/check_and_report", delta=delta)
    assert host.service.decider.totals() == {
        ("authorized_calls", "ns"): 1,
        ("authorized_hits", "ns"): 1,
        ("limited_calls", "ns", "per user"): 1,
    }
