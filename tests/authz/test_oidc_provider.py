"""The tests' OpenID provider does what one does, so that tests against it mean something."""

import aiohttp

from tests.authz.oidc_provider import CLIENT_ID, CLIENT_SECRET, OidcProvider


async def test_the_provider_issues_introspects_and_revokes() -> None:
    async with OidcProvider(path="/realms/toys") as provider, aiohttp.ClientSession() as session:
        provider.users["john"] = {"email": "john@toys.test"}
        auth = aiohttp.encode_basic_auth(CLIENT_ID, CLIENT_SECRET)

        async def post(path: str, **form: str) -> object:
            headers = {"Authorization": auth}
            async with session.post(provider.issuer + path, data=form, headers=headers) as answer:
                return await answer.json()

        async def userinfo(token: str) -> object:
            headers = {"Authorization": f"Bearer {token}"}
            async with session.get(f"{provider.issuer}/userinfo", headers=headers) as answer:
                return await answer.json()

        granted = await post("/token", grant_type="client_credentials")
        assert isinstance(granted, dict)
        assert granted["token_type"] == "Bearer"
        assert granted["expires_in"] > 0
        token = provider.opaque("john")
        known = await post("/introspect", token=token)
        assert isinstance(known, dict)
        assert (known["active"], known["username"]) == (True, "john")
        await post("/revoke", token=token)
        assert await post("/introspect", token=token) == {"active": False}
        assert await userinfo(token) == {"error": "InvalidTokenError"}
        for algorithm in ("RS256", "ES256"):
            signed = provider.signed("john", algorithm)
            assert await userinfo(signed) == {"sub": "john", "email": "john@toys.test"}
        async with session.get(f"{provider.issuer}/.well-known/openid-configuration") as answer:
            assert (await answer.json())["issuer"] == provider.issuer
        assert provider.hits["/introspect"] == 2
