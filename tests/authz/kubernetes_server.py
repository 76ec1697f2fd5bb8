"""An API server for tests that reviews: tokens and rules as a test says, over HTTP."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from authz.kubernetes_api import KubernetesApi
from tests.authz.http_backend import Backend, http_backend

TOKEN_REVIEWS = "/apis/authentication.k8s.io/v1/tokenreviews"
ACCESS_REVIEWS = "/apis/authorization.k8s.io/v1/subjectaccessreviews"


@dataclass
class KubernetesServer:
    """tokens: audiences by token. allowed: user and path or resource name. api: a client of it."""

    backend: Backend
    kubeconfig: Path
    api: KubernetesApi
    credential: str
    tokens: dict[str, list[str]] = field(default_factory=dict)
    allowed: set[tuple[str, str]] = field(default_factory=set)
    status: dict[str, Any] | None = None

    def reviews(self) -> list[dict[str, Any]]:
        """The specs that were asked, in order."""
        return [json.loads(seen.body)["spec"] for seen in self.backend.seen]

    async def _token_review(self, request: web.Request) -> web.Response:
        asked = json.loads(await request.read())["spec"]
        fitting = [
            name for name in self.tokens.get(asked["token"], []) if name in asked["audiences"]
        ]
        user = {"username": "system:serviceaccount:shop:toys", "groups": ["system:authenticated"]}
        known = {"authenticated": True, "user": user, "audiences": fitting}
        unknown = {"user": {}, "error": "invalid bearer token"}
        return self._created(request, known if fitting else unknown)

    async def _access_review(self, request: web.Request) -> web.Response:
        asked = json.loads(await request.read())["spec"]
        target = asked.get("nonResourceAttributes", {}).get("path")
        target = target or asked.get("resourceAttributes", {}).get("name", "")
        names = {asked.get("user", ""), *asked.get("groups", [])}
        allowed = any((name, target) in self.allowed for name in names)
        return self._created(request, {"allowed": allowed})

    def _created(self, request: web.Request, status: dict[str, Any]) -> web.Response:
        if request.headers.get("Authorization") != f"Bearer {self.credential}":
            failure = {"kind": "Status", "message": "Unauthorized", "code": 401}
            return web.json_response(failure, status=401)
        return web.json_response({"status": self.status or status}, status=201)


@asynccontextmanager
async def kubernetes_server(folder: Path) -> AsyncIterator[KubernetesServer]:
    """`folder` gets the kubeconfig."""
    async with http_backend() as backend:
        kubeconfig = folder / "kubeconfig"
        api = KubernetesApi({"KUBECONFIG": str(kubeconfig)})
        server = KubernetesServer(backend, kubeconfig, api, "first")
        write_kubeconfig(kubeconfig, backend.url, "first")
        backend.routes[TOKEN_REVIEWS] = server._token_review
        backend.routes[ACCESS_REVIEWS] = server._access_review
        try:
            yield server
        finally:
            await api.close()


def write_kubeconfig(path: Path, url: str, token: str, **cluster: Any) -> None:
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        "clusters": [{"name": "test", "cluster": {"server": url, **cluster}}],
        "users": [{"name": "test", "user": {"token": token}}],
    }
    path.write_text(json.dumps(document))
