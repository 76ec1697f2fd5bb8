"""The HTTP side of a running server, as commands reach it."""

from collections.abc import AsyncIterator, Mapping
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import msgspec
from aiohttp import ClientError, ClientResponse, ClientSession, ClientTimeout, UnixConnector
from yarl import URL

from tollhouse.admin_access import read_token
from tollhouse.errors import ProgramError, UsageError
from tollhouse.settings import ServerAccess

UNIX = "unix:"
TIMEOUT = ClientTimeout(total=None, sock_connect=5, sock_read=30)
PAGE = 1000  # counters per answer


class ServerError(ProgramError):
    """The server cannot be reached or refuses; the message says which and what helps."""


class Server:
    """An async context manager; every method raises ServerError."""

    def __init__(self, access: ServerAccess) -> None:
        """Raises UsageError for a token file that cannot be used."""
        self._access = access
        self._base, self._socket = _base(access.server)
        self._headers = {}
        token = access.token
        if access.token_file is not None:
            try:
                token = read_token(access.token_file)
            except ValueError as error:
                raise UsageError(f"{access.token_file}: no token: {error}") from error
        if token is not None:
            self._headers["Authorization"] = f"Bearer {token}"

    async def __aenter__(self) -> Self:
        connector = None if self._socket is None else UnixConnector(self._socket)
        self._session = ClientSession(
            connector=connector, headers=self._headers, timeout=TIMEOUT, raise_for_status=False
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._session.close()

    async def text(self, path: str) -> str:
        return (await self._ask("GET", self._base.join(URL(path))))[1].decode()

    async def limits(self, namespace: str) -> Any:
        path = URL("limits/" + quote(namespace, safe=""), encoded=True)
        return msgspec.json.decode((await self._ask("GET", self._base.join(path)))[1])

    async def page_of_counters(
        self, namespace: str, query: Mapping[str, str], count: int
    ) -> list[dict[str, Any]]:
        """The first of what the query means, `count` or fewer of a long list."""
        url = self._counters(namespace, {**query, "count": str(count)})
        found: list[dict[str, Any]] = msgspec.json.decode((await self._ask("GET", url))[1])
        return found

    async def counters(
        self, namespace: str, query: Mapping[str, str]
    ) -> AsyncIterator[dict[str, Any]]:
        """All counters that the query means, page by page."""
        url = self._counters(namespace, {**query, "count": str(PAGE)})
        while True:
            response, body = await self._ask("GET", url)
            for counter in msgspec.json.decode(body):
                yield counter
            following = response.links.get("next")
            if following is None:
                return
            # Only the query: behind a gateway the server's own path may be another.
            url = url.with_query(URL(str(following["url"])).query)

    async def reset(self, namespace: str, query: Mapping[str, str]) -> int:
        """How many counters there were."""
        _, body = await self._ask("DELETE", self._counters(namespace, query))
        return int(msgspec.json.decode(body)["removed"])

    async def set(self, namespace: str, query: Mapping[str, str], value: int) -> Any:
        body = msgspec.json.encode({"value": value})
        _, answer = await self._ask("PATCH", self._counters(namespace, query), body)
        return msgspec.json.decode(answer)

    def _counters(self, namespace: str, query: Mapping[str, str]) -> URL:
        path = URL("counters/" + quote(namespace, safe=""), encoded=True)
        return self._base.join(path).with_query(query)

    async def _ask(
        self, method: str, url: URL, body: bytes | None = None
    ) -> tuple[ClientResponse, bytes]:
        try:
            async with self._session.request(method, url, data=body) as response:
                data = await response.read()
        except (ClientError, TimeoutError, OSError) as error:
            what = str(error) or type(error).__name__
            raise ServerError(f"cannot reach {self._access.server}: {what}") from error
        if response.status == 200:
            return response, data
        text = data.decode("utf-8", "replace").strip() or response.reason or ""
        if response.status == 401:
            text += "; bring it with --token-file"
        raise ServerError(f"{self._access.server} answers {response.status}: {text}")


def _base(server: str) -> tuple[URL, str | None]:
    """The URL that paths are joined to, and the socket's path. Raises UsageError."""
    if server.startswith(UNIX):
        return URL("http://localhost/"), server.removeprefix(UNIX)
    try:
        url = URL(server)
    except ValueError:
        url = URL()
    if url.scheme not in ("http", "https") or not url.host:
        raise UsageError(f"--server: {server!r} is no http:// or https:// URL and no unix:PATH")
    return (url if url.path.endswith("/") else url.with_path(url.path + "/")), None
