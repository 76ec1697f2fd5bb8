"""Metadata `http`: the requests it makes, and what it takes of the answers."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from urllib.parse import parse_qs

import pytest
from aiohttp import web

from tests.authz.http_backend import Backend
from tests.authz.http_lanes import CallingLanes, calling_lanes
from tests.authz.lanes import check_request

SHOWN = """
response:
  success:
    dynamicMetadata:
      shown: {json: {properties: {metadata: {selector: auth.metadata}}}}
"""
MISSING = "no such entry"


@pytest.fixture
async def lanes() -> AsyncIterator[CallingLanes]:
    async with calling_lanes() as lanes:
        yield lanes


def _entry(fields: str, name: str = "m") -> str:
    return f"{SHOWN}\nmetadata:\n  {name}:\n    http: {fields}\n"


async def _metadata(lanes: CallingLanes, **headers: str) -> object:
    """`auth.metadata.m` of an answer that allows."""
    answer = await lanes.call(**headers)
    assert answer.http_status == 200
    found = answer.metadata["shown"]["metadata"] or {}
    return found.get("m", MISSING)


# ---- requests


async def test_a_get_has_no_body(lanes: CallingLanes, backend: Backend) -> None:
    backend.says("/a b", "text")
    assert not lanes.configure(
        _entry(f"""
      url: "{backend.url}/{{request.headers.x-dir}} b?q={{request.method}}"
      headers: {{x-cel: {{expression: "1 + 1"}}, content-type: {{value: own/type}},
                x-object: {{value: {{b: [1], a: "<"}}}}, x-missing: {{selector: request.nope}}}}
      body: {{value: not sent}}
""")
    )
    backend.says("/a%20b", "text")
    assert await _metadata(lanes, x_dir="a") == "text"
    seen = backend.seen[0]
    assert (seen.method, seen.target, seen.body) == ("GET", "/a%20b?q=GET", b"")
    assert seen.headers["content-type"] == "text/plain"
    assert (seen.headers["x-cel"], seen.headers["x-missing"]) == ("2", "")
    assert json.loads(seen.headers["x-object"]) == {"a": "<", "b": [1]}


@pytest.mark.parametrize(
    ("fields", "content_type", "body"),
    [
        ("", "application/x-www-form-urlencoded", b""),
        ("contentType: application/json", "application/json", b"{}"),
        (
            "bodyParameters: {b: {value: x y}, a: {selector: request.method}, c: {value: null}}",
            "application/x-www-form-urlencoded",
            b"a=GET&b=x+y&c=",
        ),
        (
            "contentType: application/json, bodyParameters: {b: {value: [1]}, a: {value: <}}",
            "application/json",
            b'{"a":"\\u003c","b":[1]}',
        ),
        ("body: {value: raw}", "application/x-www-form-urlencoded", b"raw"),
        (
            "contentType: application/json, body: {expression: '{\"k\": request.host}'}",
            "application/json",
            b'{"k":"toys.com"}',
        ),
    ],
)
async def test_a_post(
    lanes: CallingLanes, backend: Backend, fields: str, content_type: str, body: bytes
) -> None:
    assert not lanes.configure(_entry(f"{{url: '{backend.url}/m', method: POST, {fields}}}"))
    await lanes.call()
    assert backend.seen[0].headers["content-type"] == content_type
    assert backend.seen[0].body == body


@pytest.mark.parametrize(
    ("credentials", "header", "expected"),
    [
        ("{}", "authorization", "Bearer s3 c&t"),
        ("{authorizationHeader: {prefix: KEY}}", "authorization", "KEY s3 c&t"),
        ("{customHeader: {name: X-Key}}", "x-key", "s3 c&t"),
        ("{cookie: {name: sid}}", "cookie", "sid=s3 c&t"),
    ],
)
async def test_a_shared_secret(
    lanes: CallingLanes, backend: Backend, credentials: str, header: str, expected: str
) -> None:
    lanes.secret_data("shared", key="s3 c&t")
    assert not lanes.configure(
        _entry(f"""
      url: {backend.url}/m
      sharedSecretRef: {{name: shared, key: key}}
      credentials: {credentials}
""")
    )
    await lanes.call()
    assert backend.seen[0].headers[header] == expected


async def test_a_secret_in_the_query_is_escaped(lanes: CallingLanes, backend: Backend) -> None:
    lanes.secret_data("shared", key="a&b=c#d e%f")
    assert not lanes.configure(
        _entry(f"""
      url: "{backend.url}/m?x=1#part"
      sharedSecretRef: {{name: shared, key: key}}
      credentials: {{queryString: {{name: k y}}}}
""")
    )
    await lanes.call()
    query = backend.seen[0].target.partition("?")[2]
    assert parse_qs(query) == {"x": ["1"], "k y": ["a&b=c#d e%f"]}


async def test_a_secret_is_followed(lanes: CallingLanes, backend: Backend) -> None:
    entry = _entry(f"{{url: '{backend.url}/m', sharedSecretRef: {{name: later, key: key}}}}")
    assert lanes.configure(entry) == [
        "spec.metadata.m: Secret 'later' does not exist in namespace 'shop'"
    ]
    assert (await lanes.call()).http_status == 503
    lanes.secret_data("later", key="one")
    await lanes.call()
    lanes.secret_data("later", key="two")
    await lanes.call()
    assert [seen.headers["authorization"] for seen in backend.seen] == ["Bearer one", "Bearer two"]


async def test_an_authors_header_replaces_the_credential(
    lanes: CallingLanes, backend: Backend
) -> None:
    lanes.secret_data("shared", key="s3cret")
    lanes.configure(
        _entry(f"""
      url: {backend.url}/m
      sharedSecretRef: {{name: shared, key: key}}
      headers: {{authorization: {{selector: request.headers.x-own}}}}
""")
    )
    await lanes.call(x_own="own")
    assert backend.seen[0].headers["authorization"] == "own"


async def test_values_cannot_break_out_of_a_header_or_the_url(
    lanes: CallingLanes, backend: Backend
) -> None:
    lanes.configure(
        _entry(f"""
      url: "{backend.url}/m?x={{request.headers.x-in}}"
      headers: {{x-out: {{selector: request.headers.x-in}}}}
""")
    )
    assert await _metadata(lanes, x_in="a\r\nX-Evil: 1") is MISSING
    assert await _metadata(lanes, x_in="a\nGET /evil HTTP/1.1") is MISSING
    assert backend.seen == []
    await lanes.call(x_in="a b")
    assert backend.seen[0].target == "/m?x=a%20b"


@pytest.mark.parametrize("expression", ["request.headers['x-nope']", "1 + 1", "'ftp://a/'"])
async def test_an_expression_that_gives_no_url(lanes: CallingLanes, expression: str) -> None:
    assert not lanes.configure(_entry(f'{{urlExpression: "{expression}"}}'))
    assert await _metadata(lanes) is MISSING


async def test_other_methods_are_not_sent(lanes: CallingLanes, backend: Backend) -> None:
    assert not lanes.configure(_entry(f"{{url: '{backend.url}/m', method: PUT}}"))
    assert await _metadata(lanes) is MISSING
    assert backend.seen == []


# ---- answers


@pytest.mark.parametrize(
    ("body", "content_type", "loose", "strict"),
    [
        ('{"a": 1}', "application/json", {"a": 1}, {"a": 1}),
        ('{"a": 1}', "application/json; charset=utf-8", {"a": 1}, {"a": 1}),
        ('{"a": 1}\n {"a": 2}', "application/json", [{"a": 1}, {"a": 2}], [{"a": 1}, {"a": 2}]),
        ("[1]", "application/json", MISSING, [1]),
        ('{"a": 1} 7', "application/json", MISSING, [{"a": 1}, 7]),
        ("{", "application/json", MISSING, MISSING),
        ("null", "application/json", None, MISSING),
        ("", "application/json", MISSING, MISSING),
        ('{"a": NaN}', "application/json", MISSING, MISSING),
        ("[" * 10000, "application/json", MISSING, MISSING),
        ("{}{" * 3, "application/json", MISSING, MISSING),
        ('{"a": 1}', "text/plain", '{"a": 1}', '{"a": 1}'),
        ("", "text/plain", "", ""),
    ],
)
async def test_what_an_answer_is_read_as(
    lanes: CallingLanes, backend: Backend, body: str, content_type: str, loose: object,
    strict: object,
) -> None:  # fmt: skip
    backend.says("/m", body.encode(), Content_Type=content_type)
    lanes.configure(_entry(f"{{url: '{backend.url}/m'}}"))
    assert await _metadata(lanes) == loose
    assert not lanes.configure(
        _entry(f"{{url: '{backend.url}/m'}}"), "metadata: {m: {strict: true}}"
    )
    assert await _metadata(lanes) == strict


@pytest.mark.parametrize(
    ("body", "taken"),
    [
        (b'{"a":1} ' * 1000, True),
        (b'{"a":1} ' * 1001, False),
        (b'{"a":1}' * 140_000, False),
        (b'{"a":[' + b",".join([b"{}"] * 20_000) + b"]}", True),
        (b"{" * 1_000_000, False),
    ],
)
async def test_long_answers(
    lanes: CallingLanes, backend: Backend, body: bytes, taken: bool
) -> None:
    backend.says("/m", body, Content_Type="application/json")
    metadata = f"metadata: {{m: {{http: {{url: '{backend.url}/m'}}}}}}"
    lanes.configure(
        f"{metadata}\nauthorization: {{known: {{patternMatching: "
        "{patterns: [{predicate: has(auth.metadata.m)}]}}}"
    )
    assert ((await lanes.call()).http_status == 200) == taken


async def test_text_that_is_no_utf8(lanes: CallingLanes, backend: Backend) -> None:
    backend.says("/m", b"a\xff", Content_Type="text/plain")
    lanes.configure(_entry(f"{{url: '{backend.url}/m'}}"))
    assert await _metadata(lanes) == "a\N{REPLACEMENT CHARACTER}"


async def test_error_statuses(lanes: CallingLanes, backend: Backend) -> None:
    backend.says("/m", {"error": "x"}, status=500)
    entry = _entry(f"{{url: '{backend.url}/m'}}")
    lanes.configure(entry)
    assert await _metadata(lanes) == {"error": "x"}
    lanes.configure(entry, "metadata: {m: {strict: true}}")
    assert await _metadata(lanes) is MISSING
    lanes.configure(entry, "metadata: {m: {required: true}}")
    answer = await lanes.call()
    assert (answer.http_status, answer.reason) == (403, "metadata 'm' is required and missing")


async def test_required_metadata_that_cannot_be_fetched(lanes: CallingLanes) -> None:
    lanes.configure(_entry("{url: 'http://127.0.0.1:1/'}"))
    assert await _metadata(lanes) is MISSING
    lanes.configure(_entry("{url: 'http://127.0.0.1:1/'}"), "metadata: {m: {required: true}}")
    assert (await lanes.call()).http_status == 403


async def test_strict_escapes_placeholders(lanes: CallingLanes, backend: Backend) -> None:
    entry = _entry(f"{{url: '{backend.url}/u/{{request.headers.x-user}}/data'}}")
    lanes.configure(entry)
    await lanes.call(x_user="../admin?a")
    lanes.configure(entry, "metadata: {m: {strict: true}}")
    await lanes.call(x_user="../admin?a")
    assert [seen.target for seen in backend.seen] == [
        "/u/../admin?a/data",
        "/u/..%2Fadmin%3Fa/data",
    ]


async def test_slow_sources_are_left_out(lanes: CallingLanes, backend: Backend) -> None:
    backend.hangs("/slow")
    backend.says("/m", "fast")
    lanes.configure(
        f"""
{SHOWN}
metadata:
  slow: {{http: {{url: {backend.url}/slow, timeout: 20}}}}
  m: {{http: {{url: {backend.url}/m}}}}
"""
    )
    answer = await lanes.call()
    assert answer.metadata["shown"]["metadata"] == {"m": "fast"}


async def test_equal_requests_at_a_time_are_sent_once(
    lanes: CallingLanes, backend: Backend
) -> None:
    released = asyncio.Event()

    async def counted(request: web.Request) -> web.Response:
        await released.wait()
        return web.json_response({"n": len(backend.seen)})

    backend.routes["/a"] = backend.routes["/b"] = counted
    lanes.configure(_entry(f"{{url: '{backend.url}/{{request.headers.x-at}}'}}"))
    calls = [asyncio.create_task(_metadata(lanes, x_at=at)) for at in "aaab"]
    await backend.asked(2)
    released.set()
    assert await asyncio.gather(*calls) == [{"n": 2}] * 4
    assert await _metadata(lanes, x_at="a") == {"n": 3}


# ---- tokens of the client


def _with_token(backend: Backend, more: str = "") -> str:
    return _entry(f"""
      url: {backend.url}/m
      oauth2:
        tokenUrl: {backend.url}/token
        clientId: c:id
        clientSecretRef: {{name: client, key: secret}}
        scopes: [s1, s2]
        extraParams: {{audience: x y}}
        {more}
""")


@pytest.fixture
def client(lanes: CallingLanes, backend: Backend) -> None:
    lanes.secret_data("client", secret="cl s3cret")
    backend.says("/m", {"ok": True})
    backend.says("/token", {"access_token": "at-1", "expires_in": "3600"})


@pytest.mark.usefixtures("client")
async def test_a_token_is_kept(lanes: CallingLanes, backend: Backend) -> None:
    assert not lanes.configure(_with_token(backend))
    for _ in range(3):
        assert await _metadata(lanes) == {"ok": True}
    token, *calls = backend.seen
    assert (token.method, token.target) == ("POST", "/token")
    assert token.body == b"audience=x+y&grant_type=client_credentials&scope=s1+s2"
    assert token.headers["authorization"] == "Basic YyUzQWlkOmNsK3MzY3JldA=="
    assert [call.headers["authorization"] for call in calls] == ["Bearer at-1"] * 3


@pytest.mark.usefixtures("client")
@pytest.mark.parametrize(
    "answer", [{"access_token": "at-1", "expires_in": 5}, {"access_token": "at-1"}]
)
async def test_a_token_is_replaced_before_it_expires(
    lanes: CallingLanes, backend: Backend, answer: dict[str, object]
) -> None:
    backend.says("/token", answer)
    lanes.configure(_with_token(backend))
    for _ in range(2):
        await lanes.call()
    tokens = [seen for seen in backend.seen if seen.target == "/token"]
    assert len(tokens) == (2 if "expires_in" in answer else 1)


@pytest.mark.usefixtures("client")
async def test_a_token_for_each_call(lanes: CallingLanes, backend: Backend) -> None:
    lanes.configure(_with_token(backend, "cache: false"))
    for _ in range(2):
        await lanes.call()
    assert [seen.target for seen in backend.seen] == ["/token", "/m"] * 2


@pytest.mark.usefixtures("client")
async def test_a_refused_token_is_not_used_again(lanes: CallingLanes, backend: Backend) -> None:
    backend.says("/m", "no", status=401)
    lanes.configure(_with_token(backend))
    for _ in range(2):
        await lanes.call()
    assert [seen.target for seen in backend.seen] == ["/token", "/m"] * 2


@pytest.mark.usefixtures("client")
async def test_a_server_that_wants_the_secret_in_the_form(
    lanes: CallingLanes, backend: Backend
) -> None:
    async def token(request: web.Request) -> web.Response:
        form = await request.post()
        if "Authorization" in request.headers or form["client_secret"] != "cl s3cret":
            return web.json_response({"error": "invalid_client"}, status=401)
        return web.json_response({"access_token": "at-2"})

    backend.routes["/token"] = token
    lanes.configure(_with_token(backend, "cache: false"))
    for _ in range(2):
        assert await _metadata(lanes) == {"ok": True}
    assert [seen.target for seen in backend.seen] == ["/token", "/token", "/m", "/token", "/m"]


@pytest.mark.usefixtures("client")
@pytest.mark.parametrize(
    ("body", "status"),
    [({"error": "x"}, 400), ({"access_token": "a"}, 500), ({"access_token": 7}, 200), ("no", 200),
     ({"access_token": "a\r\nX: y"}, 200)],
)  # fmt: skip
async def test_without_a_token_nothing_is_asked(
    lanes: CallingLanes, backend: Backend, body: object, status: int
) -> None:
    backend.says("/token", body, status=status)
    lanes.configure(_with_token(backend))
    assert await _metadata(lanes) is MISSING
    assert "/m" not in [seen.target for seen in backend.seen]


# ---- faults


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ("{}", "spec.metadata.m.http: expected exactly one of url, urlExpression"),
        ("{url: 'ftp://x/'}", "spec.metadata.m.http.url: the URL does not begin with"),
        ("{url: 'http://x/{a.#(}'}", "spec.metadata.m.http.url: "),
        ("{urlExpression: '1 +'}", "spec.metadata.m.http.urlExpression: "),
        ("{url: 'http://x/', method: FETCH}", "spec.metadata.m.http.method: expected one of GET"),
        ("{url: 'http://x/', contentType: a/b}", "spec.metadata.m.http.contentType: expected one"),
        ("{url: 'http://x/', headers: {'a b': {value: 1}}}", "'a b' is not a header name"),
        (
            "{url: 'http://x/', body: {value: 1}, bodyParameters: {a: {value: 1}}}",
            "spec.metadata.m.http: expected at most one of body, bodyParameters",
        ),
        ("{url: 'http://x/', sharedSecretRef: {name: a}}", "sharedSecretRef.key: is required"),
        ("{url: 'http://x/', oauth2: {tokenUrl: x}}", "oauth2.tokenUrl: the URL does not begin"),
        ("{url: 'http://x/', nope: 1}", "spec.metadata.m.http.nope: is not a field here"),
    ],
)
async def test_faults(lanes: CallingLanes, fields: str, fault: str) -> None:
    faults = lanes.configure(_entry(fields))
    assert any(fault in found for found in faults), faults


async def test_a_secret_that_cannot_be_sent(lanes: CallingLanes) -> None:
    lanes.secret_data("shared", key="line\n")
    faults = lanes.configure(
        _entry("{url: 'http://x/', sharedSecretRef: {name: shared, key: key}}")
    )
    assert faults == [
        "spec.metadata.m: key 'key' of Secret 'shared' holds line ends or other characters that"
        " cannot be sent"
    ]


# ---- time


async def test_the_callers_deadline_ends_everything(lanes: CallingLanes, backend: Backend) -> None:
    backend.hangs("/slow")
    lanes.configure(_entry(f"{{url: '{backend.url}/slow', timeout: 0}}"))
    data = check_request("/toys").SerializeToString()
    answer = await lanes.check(data, deadline_ns=time.monotonic_ns() + 30_000_000)
    assert answer.http_status == 503


# ---- what other servers say is no more trusted than what callers say


async def test_answers_cannot_smuggle_headers(lanes: CallingLanes, backend: Backend) -> None:
    backend.says("/m", {"x": "a\r\nSet-Cookie: b\0"})
    metadata = f"metadata: {{m: {{http: {{url: '{backend.url}/m'}}}}}}"
    plain = "plain: {selector: auth.metadata.m.x}"
    lanes.configure(f"{metadata}\nresponse: {{success: {{headers: {{x-m: {{{plain}}}}}}}}}")
    assert (await lanes.call()).headers == [("x-m", "a  Set-Cookie: b ")]
    denial = "code: 302, headers: {location: {selector: auth.metadata.m.x}}"
    lanes.configure(
        f"{metadata}\nresponse: {{unauthorized: {{{denial}}}}}\n"
        "authorization: {never: {patternMatching: {patterns: [{predicate: 'false'}]}}}"
    )
    answer = await lanes.call()
    assert dict(answer.headers)["location"] == "a  Set-Cookie: b "
    assert answer.http_status == 302


async def test_answers_are_data_not_templates(lanes: CallingLanes, backend: Backend) -> None:
    backend.says("/m", "{request.headers.x-key}")
    lanes.configure(
        f"""
metadata: {{m: {{http: {{url: '{backend.url}/m'}}}}}}
response: {{success: {{headers: {{x-m: {{plain: {{selector: "is {{auth.metadata.m}}"}}}}}}}}}}
"""
    )
    answer = await lanes.call(x_key="s3cret")
    assert answer.headers == [("x-m", "is {request.headers.x-key}")]
