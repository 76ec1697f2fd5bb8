"""Metadata userInfo: reference §2.10 and case 46."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from authz.errors import EvaluatorFailed, Unavailable
from authz.evaluator import Identified
from authz.evaluators.user_info import UserInfoMetadata, open_user_info
from authz.kinds import AUTHENTICATION, METADATA
from authz.services import Services
from tests.authz.entries import faults, identified, opening, read, turn
from tests.authz.http_backend import http_backend
from tests.authz.oidc_provider import OidcProvider

KIND = METADATA["userInfo"]
JWT = AUTHENTICATION["jwt"]


@pytest.fixture
async def services() -> AsyncIterator[Services]:
    services = Services()
    yield services
    await services.close()


@pytest.fixture
async def provider() -> AsyncIterator[OidcProvider]:
    async with OidcProvider(path="/realms/toys") as provider:
        provider.users["john"] = {"email": "john@toys.test", "groups": ["a"]}
        yield provider


def from_source(services: Services, **entries: dict[str, Any]) -> UserInfoMetadata:
    """Of the jwt entry `idp`, beside others."""
    specs = {name: read(JWT, fields) for name, fields in entries.items()}
    return open_user_info(read(KIND, {"identitySource": "idp"}), opening(services, **specs))


def john(provider: OidcProvider, **jwt: Any) -> Identified:
    spec = read(JWT, jwt or {"issuerUrl": provider.issuer})
    return identified(JWT, spec, provider.signed("john").encode())


async def failure(evaluator: UserInfoMetadata, services: Services, who: Identified | None) -> str:
    with pytest.raises(EvaluatorFailed) as failed:
        await evaluator.fetch(turn(services, identified=who))
    return str(failed.value)


async def test_the_provider_is_asked_with_the_token(
    services: Services, provider: OidcProvider
) -> None:
    evaluator = from_source(services, idp={"issuerUrl": provider.issuer})
    evaluator.start()
    found = await evaluator.fetch(turn(services, identified=john(provider)))
    assert found == {"sub": "john", "email": "john@toys.test", "groups": ["a"]}
    evaluator.close()
    assert len(services.providers) == 0


async def test_an_identity_of_somebody_else_has_none(
    services: Services, provider: OidcProvider
) -> None:
    evaluator = from_source(services, idp={"issuerUrl": provider.issuer})
    expected = (
        f"missing identity for oidc issuer {provider.issuer}. skipping related userinfo metadata"
    )
    others = [
        john(provider, issuerUrl=f"{provider.issuer}/two"),
        john(provider, jwksUrl=f"{provider.issuer}/jwks"),
        identified(AUTHENTICATION["anonymous"], read(AUTHENTICATION["anonymous"], {}), None),
        None,
    ]
    for other in others:
        assert await failure(evaluator, services, other) == expected
    assert provider.hits["/userinfo"] == 0
    evaluator.close()


async def test_a_source_without_an_issuer_has_none(
    services: Services, provider: OidcProvider
) -> None:
    jwks = {"jwksUrl": f"{provider.issuer}/jwks"}
    evaluator = from_source(services, idp=jwks)
    reason = await failure(evaluator, services, john(provider, **jwks))
    assert reason == "missing identity for oidc issuer idp. skipping related userinfo metadata"
    evaluator.close()


async def test_an_unknown_source_is_refused(services: Services) -> None:
    with pytest.raises(Unavailable, match=r"^missing identity config idp$"):
        from_source(services, other={"issuerUrl": "http://idp"})


async def test_a_provider_out_of_reach(services: Services, provider: OidcProvider) -> None:
    provider.broken["/.well-known/openid-configuration"] = 500
    evaluator = from_source(services, idp={"issuerUrl": provider.issuer})
    reason = await failure(evaluator, services, john(provider))
    assert reason == "missing openid connect configuration"
    evaluator.close()


@pytest.mark.parametrize("endpoint", [None, 7, ["http://idp"]])
async def test_a_provider_without_user_info(
    services: Services, provider: OidcProvider, endpoint: object
) -> None:
    provider.overrides["userinfo_endpoint"] = endpoint
    evaluator = from_source(services, idp={"issuerUrl": provider.issuer})
    reason = await failure(evaluator, services, john(provider))
    assert reason == "the provider has no userinfo_endpoint"
    evaluator.close()


async def test_an_endpoint_that_is_no_url(services: Services, provider: OidcProvider) -> None:
    provider.overrides["userinfo_endpoint"] = "file:///etc/passwd"
    evaluator = from_source(services, idp={"issuerUrl": provider.issuer})
    assert await failure(evaluator, services, john(provider)) == (
        "user info request failed: the URL does not begin with http:// or https://"
    )
    evaluator.close()


async def test_an_error_of_the_provider_counts_unless_told(
    services: Services, provider: OidcProvider
) -> None:
    token = provider.opaque("john")
    provider.revoke(token)
    who = identified(AUTHENTICATION["apiKey"], None, token.encode())
    fields = {"userInfoUrl": f"{provider.issuer}/userinfo"}
    lenient = open_user_info(read(KIND, fields), opening(services))
    found = await lenient.fetch(turn(services, identified=who))
    assert found == {"error": "InvalidTokenError"}
    strict = open_user_info(read(KIND, fields, strict=True), opening(services))
    reason = await failure(strict, services, who)
    assert reason == "user info request failed: 401 Unauthorized"


async def test_a_url_is_asked_with_whatever_credential_there_was(services: Services) -> None:
    async with http_backend() as backend:
        backend.says("/me", {"u": 1})
        spec = read(KIND, {"userInfoUrl": f"{backend.url}/me?x=1"})
        evaluator = open_user_info(spec, opening(services))
        who = identified(AUTHENTICATION["apiKey"], None, b"a key")
        assert await evaluator.fetch(turn(services, identified=who)) == {"u": 1.0}
        assert backend.seen[0].target == "/me?x=1"
        assert backend.seen[0].headers["authorization"] == "Bearer a key"
        reason = "the identity came without a credential to ask with"
        for nobody in (None, identified(AUTHENTICATION["anonymous"], None, None)):
            assert await failure(evaluator, services, nobody) == reason
        for hostile in (b"a\r\nx-admin: 1", b"\xff", b"a" * 40_000):
            who = identified(AUTHENTICATION["apiKey"], None, hostile)
            reason = await failure(evaluator, services, who)
            assert reason.startswith("user info request failed: ")
        assert len(backend.seen) == 1


@pytest.mark.parametrize("body", [[], "text", "[1", 7])
async def test_user_info_is_an_object(services: Services, body: object) -> None:
    async with http_backend() as backend:
        backend.says("/me", body)
        evaluator = open_user_info(
            read(KIND, {"userInfoUrl": f"{backend.url}/me"}), opening(services)
        )
        who = identified(AUTHENTICATION["apiKey"], None, b"key")
        assert (await failure(evaluator, services, who)).startswith("user info is n")


async def test_equal_tokens_are_asked_with_once(services: Services, provider: OidcProvider) -> None:
    evaluator = from_source(services, idp={"issuerUrl": provider.issuer})
    who = john(provider)
    await asyncio.gather(*(evaluator.fetch(turn(services, identified=who)) for _ in range(4)))
    assert provider.hits["/userinfo"] == 1
    evaluator.close()


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({}, ["entry: expected exactly one of identitySource, userInfoUrl"]),
        (
            {"identitySource": "a", "userInfoUrl": "http://x"},
            ["entry: expected exactly one of identitySource, userInfoUrl"],
        ),
        (
            {"userInfoUrl": "x"},
            ["entry.userInfoUrl: the URL does not begin with http:// or https://"],
        ),
    ],
)
def test_faults(data: dict[str, Any], expected: list[str]) -> None:
    assert faults(KIND, data) == expected
