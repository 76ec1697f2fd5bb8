"""The scenarios of Authorino's user guides behind a real Envoy, with guides.yaml.

Edge authentication and the validating webhook have files of their own.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

import pytest
from aiohttp import web

from tests.authz.http_backend import Backend, http_backend
from tests.authz.oidc_provider import CLIENT_ID, CLIENT_SECRET, OidcProvider
from tests.e2e.bootstrap import (
    FILTERS,
    authz_metadata,
    bootstrap,
    cluster,
    descriptor,
    ext_authz,
    ratelimit,
    route,
)
from tests.e2e.in_background import in_background
from tests.e2e.processes import Answer, Envoy, Tollhouse, eventually, upstream

pytestmark = pytest.mark.slow
MANIFESTS = Path(__file__).with_name("guides.yaml")
LIMITS = """
- namespace: guides
  max_value: 1
  seconds: 60
  conditions: []
  variables: ["descriptors[0].username"]
"""
LATE_KEY = """
apiVersion: v1
kind: Secret
metadata: {name: late, namespace: guides, labels: {group: friends}}
stringData: {api_key: key-of-the-late}
"""
COUNTRIES = {"79.123.45.67": "GB", "109.69.200.56": "IT"}
BOB = {"authorization": "APIKEY key-of-bob"}


@dataclass(frozen=True)
class World:
    """Everything that runs."""

    envoy: Envoy
    tollhouse: Tollhouse
    provider: OidcProvider
    backend: Backend

    def get(self, guide: str, path: str = "/", **options: Any) -> Answer:
        return self.envoy.get(path, host=f"{guide}.guides.test", **options)

    def status(self, guide: str, path: str = "/", **options: Any) -> int:
        return self.get(guide, path, **options).status

    def token(self, user: str, **claims: Any) -> dict[str, str]:
        """Headers with a signed token of one of the guides' users."""
        roles = ["member", "admin"] if user == "jane" else ["member"]
        realm = {"roles": roles}
        return {
            "authorization": f"Bearer {self.provider.signed(user, realm_access=realm, **claims)}"
        }


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("guides")
    (folder / "limits.yaml").write_text(LIMITS)
    (folder / "manifests").mkdir()
    with in_background(OidcProvider(), http_backend()) as (provider, backend), upstream() as echo:
        _answer_for(backend)
        provider.users = {name: {"email": f"{name}@example.com"} for name in ("john", "jane")}
        (folder / "manifests" / "guides.yaml").write_text(
            Template(MANIFESTS.read_text()).substitute(
                issuer=provider.issuer,
                backend=backend.url,
                client_id=CLIENT_ID,
                client_secret=json.dumps(CLIENT_SECRET),
            )
        )
        with Tollhouse(folder) as tollhouse:

            def configure(front: int, admin: int) -> dict[str, Any]:
                return _bootstrap(front, admin, echo, tollhouse, provider)

            with Envoy(tmp_path_factory.mktemp("envoy"), configure) as envoy:
                yield World(envoy, tollhouse, provider, backend)


def _answer_for(backend: Backend) -> None:
    """Where addresses are, and a number that is another one each time."""
    for address, country in COUNTRIES.items():
        backend.says(f"/geo/{address}", {"country": country})

    async def number(request: web.Request) -> web.Response:
        return web.json_response({"n": len(backend.seen)})

    backend.routes["/number"] = number


def _bootstrap(
    front: int, admin: int, echo: int, tollhouse: Tollhouse, provider: OidcProvider
) -> dict[str, Any]:
    def per_route(**settings: Any) -> dict[str, Any]:
        return {"ext_authz": {"@type": f"{FILTERS}.ext_authz.v3.ExtAuthzPerRoute", **settings}}

    def as_host(host: str) -> dict[str, Any]:
        return per_route(check_settings={"context_extensions": {"host": host}})

    limited = [descriptor(authz_metadata("username", "ext_auth_data", "username"))]
    authz = ext_authz()
    authz["typed_config"]["metadata_context_namespaces"] = ["envoy.filters.http.jwt_authn"]
    return bootstrap(
        front,
        admin,
        filters=[_jwt_authn(provider), authz, ratelimit("guides")],
        routes=[
            route("/unprotected", per_filter=per_route(disabled=True)),
            route("/dogs", per_filter=as_host("dogs.guides.test")),
            route("/cats", per_filter=as_host("cats.guides.test")),
            route("/limited", rate_limits=limited),
            route("/"),
        ],
        clusters=[
            cluster("upstream", [echo], grpc=False),
            cluster("rls", [tollhouse.addresses.rls], grpc=True),
            cluster("authz", [tollhouse.addresses.authz], grpc=True),
        ],
    )


def _jwt_authn(provider: OidcProvider) -> dict[str, Any]:
    """Envoy's own filter: it lets everything pass and leaves what it verified as metadata."""
    keys = json.dumps(provider.key_set().as_dict(private=False))
    known = {
        "issuer": provider.issuer,
        "local_jwks": {"inline_string": keys},
        "forward": True,
        "payload_in_metadata": "verified_jwt",
    }
    either = {"requires": {"requires_any": {"requirements": [
        {"provider_name": "provider"}, {"allow_missing_or_failed": {}},
    ]}}}  # fmt: skip
    return {
        "name": "envoy.filters.http.jwt_authn",
        "typed_config": {
            "@type": f"{FILTERS}.jwt_authn.v3.JwtAuthentication",
            "providers": {"provider": known},
            "rules": [{"match": {"prefix": "/"}, **either}],
        },
    }


def _from(address: str, **headers: str) -> dict[str, str]:
    return {"x-forwarded-for": address, **headers}


def test_hello_world(world: World) -> None:
    assert world.status("nobody", "/unprotected") == 200
    answer = world.get("nobody", "/hello")
    assert (answer.status, answer.header("x-ext-auth-reason")) == (404, "Service not found")


def test_anonymous_access(world: World) -> None:
    assert world.status("anonymous", "/hello") == 200


def test_api_key_authentication(world: World) -> None:
    assert world.status("api-key", "/hello", headers=BOB) == 200
    answer = world.get("api-key", "/hello", headers={"authorization": "APIKEY invalid"})
    assert answer.status == 401
    assert answer.header("www-authenticate") == 'APIKEY realm="friends"'
    assert answer.header("x-ext-auth-reason") == "the API Key provided is invalid"
    file = world.tollhouse.manifests / "late.yaml"
    late = {"authorization": "APIKEY key-of-the-late"}
    file.write_text(LATE_KEY)
    eventually(lambda: world.status("api-key", headers=late) == 200, "the new key")
    file.unlink()
    eventually(lambda: world.status("api-key", headers=late) == 401, "its revocation")


def test_http_basic_authentication(world: World) -> None:
    john, jane = ({"authorization": f"Basic {pair}"} for pair in ("am9objpw", "amFuZTpw"))
    statuses = [
        world.status("basic", path, headers=user)
        for user in (john, jane)
        for path in ("/hello", "/bye")
    ]
    assert statuses == [200, 200, 200, 403]
    answer = world.get("basic", "/hello", headers={"authorization": "Basic dW5rbm93bjp4"})
    assert answer.status == 401
    assert answer.header("www-authenticate") == 'Basic realm="http-basic-auth"'


def test_passing_credentials(world: World) -> None:
    key = "key-of-a-member"
    for headers in (
        {"authorization": f"APIKEY {key}"},
        {"x-api-key": key},
        {"cookie": f"other=1; APIKEY={key}"},
        {"authorization": "Bearer key-of-an-admin"},
    ):
        assert world.status("credentials", headers=headers) == 200
    assert world.status("credentials", f"/?api_key={key}") == 200
    answer = world.get("credentials")
    assert answer.status == 401
    assert [challenge.split()[0] for challenge in answer.all("www-authenticate")] == [
        "APIKEY",
        "X-API-Key",
        "api_key",
        "APIKEY",
        "Bearer",
    ]
    reason = json.loads(answer.header("x-ext-auth-reason") or "")
    assert set(reason.values()) == {"credential not found"}
    assert len(reason) == 5


def test_oidc_jwt_authentication(world: World) -> None:
    assert world.status("jwt", headers=world.token("john")) == 200
    answer = world.get("jwt")
    assert answer.status == 401
    assert answer.header("www-authenticate") == 'Bearer realm="provider"'


def test_oauth2_token_introspection(world: World) -> None:
    token = world.provider.opaque("john")
    bearer = {"authorization": f"Bearer {token}"}
    assert world.status("introspection", headers=bearer) == 200
    world.provider.revoke(token)
    answer = world.get("introspection", headers=bearer)
    assert answer.status == 401
    assert json.loads(answer.header("x-ext-auth-reason") or "") == {
        "first": "token is not active",
        "second": "token is not active",
    }


def test_token_normalization(world: World) -> None:
    statuses = [
        world.status("normalization", method="DELETE", headers=headers)
        for headers in (world.token("jane"), world.token("john"), BOB)
    ]
    assert statuses == [200, 403, 200]


def test_oidc_user_info(world: World) -> None:
    assert world.status("userinfo", headers=world.token("john")) == 200
    world.provider.broken["/userinfo"] = 401  # as after a logout
    try:
        assert world.status("userinfo", headers=world.token("john")) == 403
    finally:
        del world.provider.broken["/userinfo"]


def test_json_pattern_matching(world: World) -> None:
    jane = world.token("jane", email_verified=True)
    peter = world.token("peter", email_verified=False)
    inside, outside = "192.168.1.7", "79.123.45.67"
    assert world.status("patterns", headers=_from(outside, **jane)) == 200
    assert world.status("patterns", headers=_from(inside, **jane)) == 200
    assert world.status("patterns", headers=_from(inside, **peter)) == 200
    answer = world.get("patterns", headers=_from(outside, **peter))
    assert (answer.status, answer.header("x-ext-auth-reason")) == (403, "Unauthorized")


def test_oidc_rbac(world: World) -> None:
    asked = [("GET", "/resources"), ("DELETE", "/resources/123"), ("GET", "/admin/settings?x=1")]
    for user, expected in {"john": [200, 403, 403], "jane": [200, 200, 200]}.items():
        headers = world.token(user)
        found = [world.status("rbac", path, method=how, headers=headers) for how, path in asked]
        assert found == expected


def test_envoy_jwt_authn(world: World) -> None:
    british, italian = COUNTRIES
    john, jane = world.token("john"), world.token("jane")
    assert world.status("envoy-jwt", headers=_from(british, **john)) == 200
    answer = world.get("envoy-jwt", headers=_from(italian, **john))
    reason = "The requested resource is not available in IT"
    assert (answer.status, answer.header("x-ext-auth-reason")) == (403, reason)
    assert world.status("envoy-jwt", "/unprotected", headers=_from(italian, **john)) == 200
    assert world.status("envoy-jwt", headers=_from(italian, **jane)) == 200
    forged = {"authorization": f"{john['authorization'][:-8]}AAAAAAAA"}
    assert world.status("envoy-jwt", headers=_from(british, **forged)) == 401


def test_injecting_data(world: World) -> None:
    answer = world.get("injecting", headers={**BOB, "x-ext-auth-data": "forged"})
    (data,) = [value for name, value in answer.json()["headers"] if name == "x-ext-auth-data"]
    found = json.loads(data)
    assert found["authorized"] is True
    assert found["greeting-message"] == "Hello, Rita!"
    assert "request-time" in found


def test_authenticated_rate_limiting(world: World) -> None:
    john, jane = world.token("john"), world.token("jane")
    statuses = [world.status("limited", "/limited", headers=user) for user in (john, john, jane)]
    assert statuses == [200, 429, 200]


def test_deny_with_redirect_to_login(world: World) -> None:
    answer = world.get("login", "/greetings/1")
    assert answer.status == 302
    assert answer.header("location") == (
        "http://login.example.com/?redirect_to=http://login.guides.test/greetings/1"
    )
    assert world.status("login", headers={"authorization": "Basic am9objpw"}) == 200
    cookie = world.token("john")["authorization"].replace("Bearer ", "TOKEN=")
    assert world.status("login", headers={"cookie": cookie}) == 200


def test_caching(world: World) -> None:
    def number(path: str) -> Any:
        sent = world.get("caching", path).json()["headers"]
        return json.loads(dict(map(tuple, sent))["x-authz-data"])["number"]

    first = number("/hello")
    assert number("/hello?again") == first
    assert number("/goodbye") != first


@pytest.mark.parametrize("pets", ["dogs", "cats"])
def test_host_override(world: World, pets: str) -> None:
    answer = world.get("any-host", f"/{pets}")
    assert ["x-pets", pets] in answer.json()["headers"]
