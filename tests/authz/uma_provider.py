"""An OpenID provider for tests that also keeps resources by UMA 2.0 (Federated Authorization)."""

from typing import Any
from urllib.parse import parse_qs

from aiohttp import web

from tests.authz.oidc_provider import OidcProvider


class UmaProvider(OidcProvider):
    """resources: by id. uris: ids of resources by path. asked: queries of the searches."""

    def routes(self, app: web.Application) -> None:
        self.resources: dict[str, Any] = {}
        self.uris: dict[str, list[str]] = {}
        self.asked: list[str] = []
        app.router.add_get(f"{self.path}/.well-known/uma2-configuration", self._uma_discovery)
        app.router.add_get(f"{self.path}/resources", self._search)
        app.router.add_get(f"{self.path}/resources/{{name}}", self._resource)

    async def _uma_discovery(self, request: web.Request) -> web.Response:
        document = {
            "issuer": self.issuer,
            "token_endpoint": f"{self.issuer}/token",
            "resource_registration_endpoint": f"{self.issuer}/resources",
            **self.overrides,
        }
        return web.json_response(document)

    def _trusts(self, request: web.Request) -> bool:
        kind, _, token = request.headers.get("Authorization", "").partition(" ")
        return kind == "Bearer" and token in self.tokens

    async def _search(self, request: web.Request) -> web.Response:
        if not self._trusts(request):
            return web.json_response({"error": "invalid_token"}, status=401)
        self.asked.append(request.query_string)
        ((name, (uri,)),) = parse_qs(request.rel_url.raw_query_string).items()
        assert name == "uri"
        return web.json_response(self.uris.get(uri, []))

    async def _resource(self, request: web.Request) -> web.Response:
        resource = self.resources.get(request.match_info["name"])
        if resource is None or not self._trusts(request):
            return web.json_response({"error": "not_found"}, status=404)
        return web.json_response(resource)
