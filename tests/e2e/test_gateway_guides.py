"""Scenarios of Authorino's user guides that need filters or routes of Envoy: its own check of
tokens, rate limits by identity, hosts from routes."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

import pytest

from tests.authz.http_backend import http_backend
from tests.authz.oidc_provider import OidcProvider
from tests.e2e.async_servers import on_own_loop
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
from tests.e2e.processes import Answer, Envoy, Tollhouse, eventually, upstream

pytestmark = pytest.mark.slow
MANIFESTS = Path(__file__).with_name("gateway_guides.yaml")
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


@dataclass(frozen=True)
class World:
    """Everything that runs."""

    envoy: Envoy
    tollhouse: Tollhouse
    provider: OidcProvider

    def get(self, guide: str, path: str = "/", **options: Any) -> Answer:
        return self.envoy.get(path, host=f"{guide}.guides.test", **options)

    def status(self, guide: str, path: str = "/", **options: Any) -> int:
        return self.get(guide, path, **options).status

    def token(self, user: str) -> dict[str, str]:
        """Headers with a signed token of one of the guides' users."""
        roles = ["member", "admin"] if user == "jane" else ["member"]
        signed = self.provider.signed(user, realm_access={"roles": roles})
        return {"authorization": f"Bearer {signed}"}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("guides")
    (folder / "limits.yaml").write_text(LIMITS)
    (folder / "manifests").mkdir()
    with (
        on_own_loop(OidcProvider()) as provider,
        on_own_loop(http_backend()) as backend,
        upstream() as echo,
    ):
        for address, country in COUNTRIES.items():
            backend.says(f"/geo/{address}", {"country": country})
        text = Template(MANIFESTS.read_text())
        (folder / "manifests" / "guides.yaml").write_text(
            text.substitute(issuer=provider.issuer, backend=backend.url)
        )
        with Tollhouse(folder) as tollhouse:

            def configure(front: int, admin: int) -> dict[str, Any]:
                return _bootstrap(front, admin, echo, tollhouse, provider)

            with Envoy(tmp_path_factory.mktemp("envoy"), configure) as envoy:
                yield World(envoy, tollhouse, provider)


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


def test_a_key_comes_and_goes(world: World) -> None:
    file = world.tollhouse.manifests / "late.yaml"
    late = {"authorization": "APIKEY key-of-the-late"}
    file.write_text(LATE_KEY)
    eventually(lambda: world.status("api-key", headers=late) == 200, "the new key")
    file.unlink()
    eventually(lambda: world.status("api-key", headers=late) == 401, "its revocation")


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


def test_authenticated_rate_limiting(world: World) -> None:
    john, jane = world.token("john"), world.token("jane")
    statuses = [world.status("limited", "/limited", headers=user) for user in (john, john, jane)]
    assert statuses == [200, 429, 200]


@pytest.mark.parametrize("pets", ["dogs", "cats"])
def test_host_override(world: World, pets: str) -> None:
    answer = world.get("any-host", f"/{pets}")
    assert ["x-pets", pets] in answer.json()["headers"]
