"""The listener that verifiers of wristbands ask for discovery and keys (reference §6.3).

`/NAMESPACE/AUTHCONFIG/ENTRY` is where an issuer's documents are; its URL should end so.
"""

from collections.abc import Callable

from aiohttp import web

from authz.wristband.discovery import Discovery

REQUESTS = "oidc_server_requests_total"
STATUSES = "oidc_server_response_status"


class OidcHttp:
    """find: the documents of an AuthConfig (namespace/name) and entry, None for neither. count:
    called with the name and labels of a series."""

    def __init__(
        self, find: Callable[[str, str], Discovery | None], count: Callable[..., None]
    ) -> None:
        self._find = find
        self._count = count

    async def __call__(self, request: web.BaseRequest) -> web.Response:
        response = self._answer(request)
        self._count(STATUSES, str(response.status))
        return response

    def _answer(self, request: web.BaseRequest) -> web.Response:
        parts = request.raw_path.partition("?")[0].split("/", 4)
        if len(parts) < 4 or parts[0]:
            return _unknown()
        namespace, name, entry = parts[1:4]
        discovery = self._find(f"{namespace}/{name}", entry)
        if discovery is None:
            return _unknown()
        path = "/" + "".join(parts[4:]).removesuffix("/")
        document = discovery.at(path)
        self._count(REQUESTS, namespace, name, entry, path if document is not None else "")
        if document is None:
            return _unknown()
        return web.Response(body=document.encode(), content_type="application/json")


def _unknown() -> web.Response:
    return web.Response(status=404, text="Not found")
