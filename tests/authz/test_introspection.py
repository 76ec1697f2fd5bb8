"""Authentication oauth2Introspection: reference §2.4 and cases 11 and 12."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs

import pytest

from authz.errors import Overloaded, Unauthenticated, Unavailable
from authz.evaluators.oauth2_introspection import (
    IntrospectedIdentity,
    open_introspection,
)
from authz.kinds import AUTHENTICATION
from authz.outgoing.bounds import OutgoingBounds
from authz.outgoing.client import Outgoing
from authz.services import Services
from tests.authz.entries import faults, opening, put_secret, read, turn
from tests.authz.http_backend import Backend
from tests.authz.http_lanes import calling_lanes
from tests.authz.lanes import NOW, check_request
from tests.authz.oidc_provider import CLIENT_ID, CLIENT_SECRET, OidcProvider

KIND = AUTHENTICATION["oauth2Introspection"]
CREDENTIALS = {"credentialsRef": {"name": "client"}}


@pytest.fixture
async def services() -> AsyncIterator[Services]:
    services = Services()
    put_secret(services, "client", clientID=CLIENT_ID, clientSecret=CLIENT_SECRET)
    yield services
    await services.close()


def opened(services: Services, endpoint: str, **fields: Any) -> IntrospectedIdentity:
    spec = read(KIND, {"endpoint": endpoint, **CREDENTIALS, **fields})
    return open_introspection(spec, opening(services))


async def reason(evaluator: IntrospectedIdentity, credential: bytes | None = b"token") -> str:
    with pytest.raises(Unauthenticated) as refused:
        await evaluator.identify(turn(Services()), credential)
    return str(refused.value)


async def test_a_provider_tells_of_its_tokens(services: Services) -> None:
    async with OidcProvider(path="/realms/toys") as provider:
        evaluator = opened(services, f"{provider.issuer}/introspect")
        token = provider.opaque("peter", scope="read")
        identity = await evaluator.identify(turn(services), token.encode())
        assert isinstance(identity, dict)
        assert (identity["active"], identity["username"]) == (True, "peter")
        assert isinstance(identity["exp"], float)
        provider.revoke(token)
        assert await reason(evaluator, token.encode()) == "token is not active"
        late = provider.opaque("peter", lifetime_s=-1)
        assert await reason(evaluator, late.encode()) == "token is not active"
        assert await reason(evaluator, b"forged") == "token is not active"


async def test_what_is_sent(services: Services, backend: Backend) -> None:
    put_secret(services, "client", clientID="c 2", clientSecret="s:2/ä")
    backend.says("/introspect", {"active": True})
    endpoint = f"{backend.url}/introspect?tenant=a".replace("http://", "http://user:past@")
    evaluator = opened(services, endpoint, tokenTypeHint="refresh_token")
    await evaluator.identify(turn(services), b"a+b&active=true")
    (seen,) = backend.seen
    assert (seen.method, seen.target) == ("POST", "/introspect?tenant=a")
    assert seen.headers["authorization"] == "Basic YyAyOnM6Mi/DpA=="
    assert seen.headers["content-type"] == "application/x-www-form-urlencoded"
    assert parse_qs(seen.body.decode()) == {
        "token": ["a+b&active=true"],
        "token_type_hint": ["refresh_token"],
    }


async def test_the_hint_is_for_access_tokens_unless_told(
    services: Services, backend: Backend
) -> None:
    backend.says("/", {"active": True})
    await opened(services, f"{backend.url}/").identify(turn(services), b"t")
    assert backend.seen[0].body == b"token=t&token_type_hint=access_token"


async def test_no_credential_asks_nobody(services: Services, backend: Backend) -> None:
    evaluator = opened(services, backend.url)
    assert await reason(evaluator, None) == "credential not found"
    for no_token in (b"\xff", b"a" * 40_000):
        assert await reason(evaluator, no_token) == "token is not active"
    assert backend.seen == []


@pytest.mark.parametrize(
    ("body", "status", "expected"),
    [
        ({"active": False}, 200, "token is not active"),
        ("boom", 500, "token introspection request failed: 500 Internal Server Error"),
        ({"error": "x"}, 401, "token introspection request failed: 401 Unauthorized"),
        ({"active": True}, 201, "token introspection request failed: 201 Created"),
        ({"active": True}, 302, "token introspection request failed: 302 Found"),
        ("hello", 200, "invalid token introspection response: not valid JSON"),
    ],
)
async def test_answers_that_let_nobody_in(
    services: Services, backend: Backend, body: object, status: int, expected: str
) -> None:
    backend.says("/", body, status=status)
    assert await reason(opened(services, f"{backend.url}/")) == expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b" " * (1 << 20) + b'{"active": true}', "request failed: the answer is too large"),
        (b'{"active": true, "a": ' + b"[" * 100_000, "response: not valid JSON"),
        (b'{"active": true, "a": ' + b"[" * 80 + b"]" * 80 + b"}", "deeper than 64 levels"),
        (b'{"active": true, "exp": NaN}', "response: not valid JSON"),
        (b'{"active": true, "exp": 1e999}', "response: not valid JSON"),
        (b'{"active": true}{"active": true}', "response: not valid JSON"),
        (b'{"active": true, "u": "\xff"}', "response: not valid JSON"),
    ],
    ids=["too large", "unclosed", "nested", "NaN", "infinite", "two", "not UTF-8"],
)
async def test_hostile_answers(
    services: Services, backend: Backend, body: bytes, expected: str
) -> None:
    backend.says("/", body)
    assert (await reason(opened(services, f"{backend.url}/"))).endswith(expected)


@pytest.mark.parametrize(
    "body", [{"username": "x"}, {"active": "true"}, {"active": 1}, [{"active": True}], True]
)
async def test_active_must_be_a_boolean(services: Services, backend: Backend, body: object) -> None:
    backend.says("/", body)
    expected = 'invalid token introspection response: missing or non-boolean "active" field'
    assert await reason(opened(services, f"{backend.url}/")) == expected


async def test_a_text_that_is_json_counts(services: Services, backend: Backend) -> None:
    backend.says("/", '{"active": true, "n": [1, 2]}')
    identity = await opened(services, f"{backend.url}/").identify(turn(services), b"t")
    assert identity == {"active": True, "n": [1.0, 2.0]}


async def test_a_provider_out_of_reach_lets_nobody_in(services: Services) -> None:
    async with OidcProvider() as provider:
        provider.broken["/introspect"] = 0
        evaluator = opened(services, f"{provider.issuer}/introspect")
        expected = "token introspection request failed: the connection failed"
        assert await reason(evaluator) == expected


async def test_a_slow_provider_is_given_up(services: Services, backend: Backend) -> None:
    backend.hangs("/")
    evaluator = opened(services, f"{backend.url}/", timeout=20)
    assert await reason(evaluator) == "token introspection request failed: no answer in time"


async def test_equal_tokens_are_asked_for_once(services: Services, backend: Backend) -> None:
    answered = backend.hangs("/")
    evaluator = opened(services, f"{backend.url}/")
    calls = [asyncio.ensure_future(reason(evaluator, token)) for token in (b"a", b"b", b"a")]
    await backend.asked(2)
    answered.set()
    assert set(await asyncio.gather(*calls)) == {
        "invalid token introspection response: not valid JSON"
    }
    assert len(backend.seen) == 2


async def test_when_too_many_wait_nobody_is_told_to_log_in(backend: Backend) -> None:
    answered = backend.hangs("/")
    services = Services(outgoing=Outgoing(OutgoingBounds(per_destination=1, waiting=0)))
    put_secret(services, "client", clientID="c", clientSecret="s")
    evaluator = opened(services, f"{backend.url}/")
    first = asyncio.ensure_future(reason(evaluator, b"first"))
    await backend.asked(1)
    with pytest.raises(Overloaded):
        await evaluator.identify(turn(services), b"second")
    answered.set()
    await first
    await services.close()


async def test_the_client_needs_its_secret(services: Services) -> None:
    put_secret(services, "half", clientID="c")
    for name, expected in (
        ("gone", "Secret 'gone' does not exist in namespace 'shop'"),
        ("half", "Secret 'half' has no key 'clientSecret'"),
    ):
        with pytest.raises(Unavailable, match=expected):
            opened(services, "http://idp/", credentialsRef={"name": name})


def test_nothing_secret_is_shown(services: Services) -> None:
    spec = read(KIND, {"endpoint": "http://user:hunter2@idp/", **CREDENTIALS})
    evaluator = open_introspection(spec, opening(services))
    assert "hunter2" not in repr(spec)
    assert "Basic" not in repr(vars(evaluator))


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({}, ["entry.endpoint: is required", "entry.credentialsRef: is required"]),
        (
            {"endpoint": "", **CREDENTIALS},
            ["entry.endpoint: the URL does not begin with http:// or https://"],
        ),
        ({"endpoint": 7, **CREDENTIALS}, ["entry.endpoint: expected a string, got a number"]),
        (
            {"endpoint": "ftp://x", "credentialsRef": {"name": "a", "key": "b"}, "hint": 1},
            [
                "entry.hint: is not a field here, expected one of endpoint, tokenTypeHint, "
                "credentialsRef, timeout",
                "entry.endpoint: the URL does not begin with http:// or https://",
                "entry.credentialsRef.key: is not a field here, expected one of name",
            ],
        ),
    ],
)
def test_faults(data: dict[str, Any], expected: list[str]) -> None:
    assert faults(KIND, data) == expected


async def test_a_remembered_answer_is_given_natively() -> None:
    async with OidcProvider() as provider, calling_lanes() as lanes:
        lanes.secret_data("client", clientID=CLIENT_ID, clientSecret=CLIENT_SECRET)
        assert not lanes.configure(f"""
            authentication:
              op:
                oauth2Introspection:
                  endpoint: {provider.issuer}/introspect
                  credentialsRef: {{name: client}}
                cache: {{key: {{selector: request.path}}, ttl: 60}}
            response:
              success: {{headers: {{x-user: {{plain: {{selector: auth.identity.username}}}}}}}}
        """)
        peter, jane = (f"Bearer {provider.opaque(name)}" for name in ("peter", "jane"))
        first = await lanes.call(authorization=peter)
        assert first.headers == [("x-user", "peter")]
        request = check_request(authorization=peter).SerializeToString()
        outcome, answer, *_ = lanes.decider.check(request, 1_000, NOW)
        assert (outcome, answer) == ("answer", first.raw)
        other = await lanes.call(authorization=jane)
        assert other.headers == [("x-user", "jane")], "the key always has the credential"
        assert provider.hits["/introspect"] == 2
