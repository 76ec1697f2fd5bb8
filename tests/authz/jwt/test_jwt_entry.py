"""The jwt entry of an AuthConfig, from the request to what the upstream sees."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import yaml
from jose import jwe

from authz.extensions import ANNOTATION
from authz.jwt.discovery import Source
from tests.authz.http_backend import Backend, http_backend
from tests.authz.jwt.test_decryption import rsa_pem
from tests.authz.jwt.tokens import CLAIMS, NOW, NOW_S, key_set, private_key, public_jwk, token
from tests.authz.lanes import Answer, Clocks, Lanes, check_request, parse
from tests.authz.oidc_provider import OidcProvider

DISCOVERY = "/.well-known/openid-configuration"
NOT_SIGNED = "failed to verify signature: failed to verify id token signature"
SHOW = {"success": {"headers": {"x-sub": {"plain": {"selector": "auth.identity.sub"}}}}}
RSA_KEY = public_jwk("RSA", kid="a")


class Door:
    """One AuthConfig for toys.com, and its requests through the full lane."""

    def __init__(self, lanes: Lanes, backend: Backend) -> None:
        self.lanes = lanes
        self.backend = backend
        self.wall_ns = NOW

    def publishes(self, *keys: dict[str, Any], **members: Any) -> None:
        url = self.backend.url
        self.backend.says(DISCOVERY, {"issuer": url, "jwks_uri": f"{url}/keys", **members})
        self.backend.says("/keys", key_set(*(keys or (RSA_KEY,))))

    def config(self, options: Any = None, /, **method: Any) -> list[str]:
        entries = {"idp": {"jwt": method or {"issuerUrl": self.backend.url}}}
        return self.config_of(entries, {"idp": options} if options else None)

    def config_of(self, entries: Any, options: Any = None) -> list[str]:
        document: dict[str, Any] = {
            "spec": {"hosts": ["toys.com"], "authentication": entries, "response": SHOW}
        }
        if options is not None:
            text = yaml.safe_dump({"authentication": options})
            document["metadata"] = {"annotations": {ANNOTATION: text}}
        faults = self.lanes.configuration.put_auth_config("shop", "toys", document)
        self.lanes.configuration.start_new()
        self.lanes.publish()
        self.lanes.configuration.close_replaced()
        return [str(fault) for fault in faults]

    async def ask(self, text: bytes | str = b"", *, deadline_ns: int | None = None) -> Answer:
        value = text.decode("latin-1") if isinstance(text, bytes) else text
        headers = {"authorization": f"Bearer {value}"} if value else {}
        request = check_request(**headers).SerializeToString()
        clocks = Clocks(
            generation=self.lanes.generation, wall_ns=self.wall_ns, deadline_ns=deadline_ns
        )
        return parse(await self.lanes.service.check_here(request, clocks), native=False)

    async def reason(self, text: bytes | str = b"") -> str:
        answer = await self.ask(text)
        assert (answer.code, answer.http_status) == (16, 401)
        assert answer.headers[0] == ("WWW-Authenticate", 'Bearer realm="idp"')
        return answer.reason or ""

    async def sub(self, text: bytes | str) -> str:
        answer = await self.ask(text)
        assert answer.code == 0, answer.reason
        return dict(answer.headers)["x-sub"]

    def asked_for(self, path: str) -> int:
        return sum(seen.target == path for seen in self.backend.seen)


@asynccontextmanager
async def open_door() -> AsyncIterator[Door]:
    async with http_backend() as backend:
        lanes = Lanes()
        yield Door(lanes, backend)
        lanes.configuration.remove_auth_config("shop", "toys")
        lanes.configuration.close_replaced()
        assert len(lanes.services.providers) == 0
        assert len(lanes.services.remembered) == 0
        await lanes.services.close()


@pytest.fixture
async def door() -> AsyncIterator[Door]:
    async with open_door() as door:
        door.publishes()
        yield door


async def test_claims_are_the_identity(door: Door) -> None:
    assert door.config() == []
    assert await door.sub(token(kid="a")) == "ann"
    assert await door.reason() == "credential not found"
    assert await door.reason("garbage") == (
        "oidc: malformed jwt: oidc: malformed jwt, expected 3 parts got 1"
    )
    assert await door.reason(token(number=1, kid="a")) == NOT_SIGNED


async def test_verified_token_is_remembered_until_it_expires(door: Door) -> None:
    door.config()
    good = token(kid="a")
    assert await door.sub(good) == "ann"
    assert len(door.lanes.services.remembered) == 1
    door.wall_ns = (NOW_S + 59) * 10**9
    assert await door.sub(good) == "ann"
    door.wall_ns += 10**9
    assert (await door.reason(good)).startswith("oidc: token is expired")


async def test_remembered_token_of_one_entry_is_unknown_to_another(door: Door) -> None:
    good = token({**CLAIMS, "aud": "toys"}, kid="a")
    door.config({"audiences": ["toys"]})
    assert await door.sub(good) == "ann"
    door.config({"audiences": ["games"]})
    assert "another audience" in await door.reason(good)
    assert len(door.lanes.services.remembered) == 0


async def test_token_is_verified_once_for_all_who_accept_the_same(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = token({**CLAIMS, "aud": "toys"}, kid="a")
    door.config({"audiences": ["toys"]})
    assert await door.sub(good) == "ann"
    monkeypatch.setattr("authz.jwt.verifier.verify", None)
    door.config_of(
        {
            "idp": {"jwt": {"issuerUrl": door.backend.url}, "priority": 1},
            "key": {"apiKey": {"selector": {}}},
        },
        {"idp": {"audiences": ["toys"]}},
    )
    assert await door.sub(good) == "ann"
    monkeypatch.undo()
    door.config()
    assert await door.sub(good) == "ann"
    assert len(door.lanes.services.remembered) == 1


async def test_new_key_is_believed_and_a_withdrawn_one_is_not(door: Door) -> None:
    door.config()
    old, new = token(kid="a"), token(number=1, kid="b")
    assert await door.sub(old) == "ann"
    assert await door.reason(new) == NOT_SIGNED
    door.publishes(public_jwk("RSA", 1, kid="b"))
    assert await door.sub(new) == "ann"
    assert await door.reason(old) == NOT_SIGNED


async def test_key_that_goes_while_a_token_is_verified_proves_nothing(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    door.config()
    old, new = token(kid="a"), token(number=1, kid="b")
    await door.sub(token({**CLAIMS, "sub": "eve"}, kid="a"))
    keys = door.lanes.services.providers.open_keys(Source.openid(door.backend.url))
    release, workers = asyncio.Event(), door.lanes.services.workers
    run = type(workers).run

    async def slowly(self: Any, *arguments: Any) -> Any:
        found = await run(self, *arguments)
        await release.wait()
        return found

    monkeypatch.setattr(type(workers), "run", slowly)
    verifying = asyncio.create_task(door.reason(old))
    await asyncio.sleep(0)
    door.publishes(public_jwk("RSA", 1, kid="b"))
    await keys.renewed(None)
    keys.close()
    release.set()
    assert await verifying == NOT_SIGNED
    assert len(door.lanes.services.remembered) == 0
    assert await door.sub(new) == "ann"
    assert await door.reason(old) == NOT_SIGNED


async def test_random_key_ids_cause_few_fetches(door: Door) -> None:
    door.config()
    for number in range(50):
        assert await door.reason(token(number=1, kid=f"k{number}")) == NOT_SIGNED
    assert door.asked_for("/keys") <= 6
    before = door.asked_for("/keys")
    assert await door.sub(token(kid="a")) == "ann"
    assert door.asked_for("/keys") == before


async def test_refused_token_is_not_verified_again_and_again(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    door.config()
    bad = token(number=1, kid="a")
    for _ in range(8):
        assert await door.reason(bad) == NOT_SIGNED
    monkeypatch.setattr("authz.jwt.verifier.verify", None)
    assert await door.reason(bad) == NOT_SIGNED
    monkeypatch.undo()
    assert await door.sub(token(kid="a")) == "ann"


async def test_entry_without_its_issuer(door: Door) -> None:
    door.backend.says(DISCOVERY, "", status=500)
    door.config()
    assert await door.reason(token(kid="a")) == "missing openid connect configuration"
    door.publishes()
    assert await door.sub(token(kid="a")) == "ann"


async def test_other_entries_do_not_wait_for_a_slow_issuer(door: Door) -> None:
    released = door.backend.hangs(DISCOVERY)
    entries = {
        "idp": {"jwt": {"issuerUrl": door.backend.url, "timeout": 60}},
        "anyone": {"anonymous": {}, "priority": 1},
    }
    assert door.config_of(entries) == []
    assert (await door.ask(token(kid="a"))).code == 0
    entries = {"idp": {"jwt": {"issuerUrl": door.backend.url, "timeout": 0}}}
    door.config_of(entries)
    deadline_ns = time.monotonic_ns() + 50 * 10**6
    late = await door.ask(token(kid="a"), deadline_ns=deadline_ns)
    assert late.http_status == 503
    released.set()


async def test_key_set_alone(door: Door) -> None:
    door.backend.says("/keys", key_set(RSA_KEY, public_jwk("Ed25519"), public_jwk("P-384")))
    door.config(jwksUrl=f"{door.backend.url}/keys")
    assert door.asked_for(DISCOVERY) == 0
    for text in (
        token(kid="a"), token(algorithm="PS512"), token(algorithm="EdDSA"),
        token(algorithm="ES384"),
    ):  # fmt: skip
        assert await door.sub(text) == "ann"
    door.backend.says("/keys", "", status=404)
    door.config(jwksUrl=f"{door.backend.url}/keys?other")
    assert await door.reason(token()) == "failed to verify signature: fetching keys failed"
    expired = await door.reason(token({"sub": "ann", "exp": 1}))
    assert expired is not None
    assert expired.startswith("oidc: token is expired")
    assert "malformed jwt" in str(await door.reason(b"x"))


async def test_issuer_and_audiences(door: Door) -> None:
    issuer = {"iss": door.backend.url}
    door.config({"issuer": door.backend.url, "audiences": ["toys", "games"]})
    assert await door.sub(token({**CLAIMS, **issuer, "aud": ["x", "toys"]}, kid="a")) == "ann"
    assert "different provider" in await door.reason(token({**CLAIMS, "aud": "toys"}, kid="a"))
    assert "another audience" in await door.reason(token({**CLAIMS, **issuer}, kid="a"))
    # The field of later Authorino versions; the provider goes by that name, too.
    door.publishes(issuer="https://outside.test")
    door.config(issuerUrl=f"{door.backend.url}/", issuer="https://outside.test")
    assert await door.sub(token({**CLAIMS, "iss": "https://outside.test"}, kid="a")) == "ann"
    assert "different provider" in await door.reason(token(kid="a"))


async def test_encrypted_tokens(door: Door) -> None:
    secret = {"metadata": {"name": "keys"}, "stringData": {"key.pem": rsa_pem().decode()}}
    door.lanes.configuration.put_secret("shop", "keys", secret)
    options = {"decryptionKeys": [{"name": "keys", "key": "key.pem"}]}
    public = private_key("RSA").public_key()
    wrapped = jwe.encrypt(token(kid="a"), public, "A256GCM", "RSA-OAEP-256", cty="JWT")
    door.config()
    assert "expected 3 parts got 5" in await door.reason(wrapped)
    assert door.config(options) == []
    assert await door.sub(wrapped) == "ann"
    assert await door.sub(token(kid="a")) == "ann"
    forged = jwe.encrypt(token(number=1, kid="a"), public, "A256GCM", "RSA-OAEP")
    assert await door.reason(forged) == NOT_SIGNED
    twice = jwe.encrypt(wrapped, public, "A256GCM", "RSA-OAEP")
    assert "expected 3 parts got 5" in await door.reason(twice)
    door.config()
    assert "expected 3 parts got 5" in await door.reason(wrapped)
    door.config(options)
    bare = jwe.encrypt(json.dumps(CLAIMS), public, "A256GCM", "RSA-OAEP")
    assert "malformed jwt" in await door.reason(bare)


async def test_decryption_key_that_is_none_is_a_fault(door: Door) -> None:
    options = {"decryptionKeys": [{"name": "keys", "key": "key.pem"}]}
    assert door.config(options) == [
        "spec.authentication.idp: Secret 'keys' does not exist in namespace 'shop'"
    ]
    secret = {"metadata": {"name": "keys"}, "stringData": {"key.pem": "-----BEGIN nothing"}}
    door.lanes.configuration.put_secret("shop", "keys", secret)
    assert door.config(options) == [
        "spec.authentication.idp: key 'key.pem' of Secret 'keys': expected a private RSA key in"
        " PEM, or a JWK with one or with a shared key"
    ]
    assert len(door.lanes.services.providers) == 0


async def test_equal_issuers_are_asked_once(door: Door) -> None:
    url = door.backend.url
    places: Any = ({}, {"cookie": {"name": "sid"}}, {"queryString": {"name": "token"}})
    entries = {
        f"e{at}": {"jwt": {"issuerUrl": url}, "credentials": place}
        for at, place in enumerate(places)
    }
    door.config_of(entries)
    assert await door.sub(token(kid="a")) == "ann"
    door.config()
    assert await door.sub(token(kid="a")) == "ann"
    assert (door.asked_for(DISCOVERY), door.asked_for("/keys")) == (1, 1)


@pytest.mark.parametrize(
    ("method", "fault"),
    [
        ({}, "jwt: expected exactly one of issuerUrl, jwksUrl"),
        ({"issuerUrl": "http://a", "jwksUrl": "http://a"}, "exactly one of issuerUrl, jwksUrl"),
        ({"issuerUrl": "ftp://a"}, "jwt.issuerUrl: the URL does not begin with http"),
        ({"jwksUrl": "http://"}, "jwt.jwksUrl: the URL has no valid host"),
        ({"issuerUrl": ""}, "jwt.issuerUrl: "),
        ({"issuerUrl": "http://a", "ttl": "x"}, "jwt.ttl: expected an integer"),
        ({"issuerUrl": "http://a", "skew": 5}, "jwt.skew: is not a field here"),
    ],
)
async def test_faults(method: dict[str, Any], fault: str) -> None:
    lanes = Lanes()
    found = lanes.config(authentication={"idp": {"jwt": method}})
    assert any(fault in text for text in found), found


async def test_options_are_checked(door: Door) -> None:
    url = door.backend.url
    assert "expected a list" in door.config({"audiences": "toys"})[0]
    assert "differs from the field" in door.config({"issuer": "x"}, issuerUrl=url, issuer="y")[0]
    assert "name" in door.config({"decryptionKeys": [{"key": "a"}]})[0]
    assert "is not a field here" in door.config({"leeway": 5})[0]


async def test_tokens_of_a_real_provider() -> None:
    async with OidcProvider("/realm") as provider, open_door() as door:
        door.wall_ns = time.time_ns()
        door.config(issuerUrl=provider.issuer)
        for algorithm in ("RS256", "ES256"):
            assert await door.sub(provider.signed("ann", algorithm)) == "ann"
        before = provider.signed("ann")
        assert await door.sub(before) == "ann"
        provider.rotate()
        assert await door.sub(provider.signed("bob")) == "bob"
        assert await door.reason(before) == NOT_SIGNED
        provider.broken = {"/jwks": 0, f"{DISCOVERY}": 500}
        assert await door.sub(provider.signed("eve", "ES256")) == "eve"
        assert provider.hits[DISCOVERY] == 1
