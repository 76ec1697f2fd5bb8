"""The scenarios of Authorino's user guides behind a real Envoy; those of identity sources are in
test_identity_guides.py."""

import string
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web

from tests.authz.oidc_provider import OidcProvider
from tests.e2e.async_servers import on_own_loop
from tests.e2e.bootstrap import authorized
from tests.e2e.processes import Answer, Envoy, Tollhouse, eventually, upstream

pytestmark = pytest.mark.slow

GUIDES: dict[str, Any] = yaml.safe_load(
    Path(__file__).with_name("authorization_guides.yaml").read_text()
)
GEO = {"79.": "GB", "109": "IT"}
SECRETS = {
    "alice": ({"group": "friends"}, {"api_key": "key-of-alice"}),
    "root": ({"group": "admins"}, {"api_key": "key-of-root"}),
    "john": (
        {"group": "users"},
        {"api_key": "am9objpw"},
    ),
    "jane": (
        {"group": "users"},
        {"api_key": "amFuZTpw"},
    ),
}
USERS = {
    "john": {"realm_access": {"roles": ["member"]}, "email_verified": True},
    "jane": {"realm_access": {"roles": ["member", "admin"]}, "email_verified": True},
    "peter": {"realm_access": {"roles": []}, "email_verified": False},
}


class Provider(OidcProvider):
    """Also tells the country of an address, and another number each time."""

    def routes(self, app: web.Application) -> None:
        app.router.add_get("/geo", self.geo)
        app.router.add_get("/number", self.number)

    async def geo(self, request: web.Request) -> web.Response:
        return web.json_response({"country_iso_code": GEO.get(request.query["ip"][:3], "XX")})

    async def number(self, request: web.Request) -> web.Response:
        return web.json_response({"n": self.hits["/number"]})


def manifests(names: dict[str, str]) -> Iterator[dict[str, Any]]:
    for guide, content in GUIDES.items():
        spec = filled(content["spec"], names)
        yield {
            "apiVersion": "authorino.kuadrant.io/v1beta3",
            "kind": "AuthConfig",
            "metadata": {"name": guide, "namespace": "guides"},
            "spec": {"hosts": [f"{guide}.example.com"], **spec},
        }
    for name, (labels, data) in SECRETS.items():
        metadata = {
            "name": name,
            "namespace": "guides",
            "labels": labels,
            "annotations": {"auth-data/name": "Rita"},
        }
        yield {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": data}


def filled(value: Any, names: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: filled(inner, names) for key, inner in value.items()}
    if isinstance(value, list):
        return [filled(inner, names) for inner in value]
    return string.Template(value).safe_substitute(names) if isinstance(value, str) else value


class Guides:
    def __init__(self, envoy: Envoy, names: dict[str, str]) -> None:
        self.envoy = envoy
        self.names = names

    def ask(self, guide: str, method: str, path: str, headers: dict[str, str]) -> Answer:
        host = f"{guide}.example.com"
        sent = filled(headers, self.names)
        return self.envoy.get(path, host=host, headers=sent, method=method)


@pytest.fixture(scope="module")
def guides(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guides]:
    folder = tmp_path_factory.mktemp("guides")
    (folder / "manifests").mkdir()
    with on_own_loop(Provider()) as idp, upstream() as echo:
        names = {
            "ISSUER": idp.issuer,
            "opaque": idp.opaque("peter"),
            "revoked": idp.opaque("peter"),
        }
        idp.revoke(names["revoked"])
        for user, claims in USERS.items():
            names[user] = idp.signed(user, preferred_username=user, **claims)
        text = yaml.safe_dump_all(list(manifests(names)))
        (folder / "manifests" / "guides.yaml").write_text(text)

        with Tollhouse(folder) as tollhouse:
            with Envoy(folder, authorized(echo, tollhouse.addresses.authz)) as envoy:
                yield Guides(envoy, names)


@pytest.mark.parametrize("guide", GUIDES)
def test_guide(guides: Guides, guide: str) -> None:
    method, path, headers, status, *_ = GUIDES[guide]["requests"][0]
    if "caching" not in guide:
        # Keys of the provider are fetched in the background.
        eventually(lambda: guides.ask(guide, method, path, headers).status == status, guide)
    for method, path, headers, status, *more in GUIDES[guide]["requests"]:
        answer = guides.ask(guide, method, path, headers)
        request = f"{method} {path} {headers}"
        assert answer.status == status, f"{request}: {answer.header('x-ext-auth-reason')}"
        seen = dict(answer.json()["headers"]) if status == 200 else dict(answer.headers)
        for name, value in (more[0] if more else {}).items():
            assert seen.get(name) == value, f"{request}: {name}"
