"""Discovery documents of identity providers (OpenID Connect Discovery 1.0, UMA 2.0), shared by all
evaluators that name the same one."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from authz.errors import AuthzError
from authz.json_text import read_json_object
from authz.jwt.refreshed import Clock, Fetched, FetchFailed, Refreshed
from authz.outgoing.client import Outgoing
from authz.outgoing.errors import OutgoingError
from authz.outgoing.message import OutgoingRequest, OutgoingResponse
from authz.outgoing.url import checked_url

Document = Mapping[str, object]


class ProviderUnavailable(AuthzError):
    """There is no document yet. Callers may read its text."""


class KeysUnavailable(ProviderUnavailable):
    """Who issues tokens is known, with which keys is not."""


@dataclass(frozen=True, slots=True)
class Source:
    """A document at `url` that must name `issuer` as its own.

    missing: the reason of requests that need it while there is none. timeout_s: of one fetch, None
    leaves it to the bounds of outgoing calls. refresh_s: the document is fetched again that often;
    0 never, as Authorino's `ttl` has it.
    """

    url: str
    issuer: str
    missing: str
    timeout_s: float | None = 5.0
    refresh_s: int = 0

    @classmethod
    def openid(
        cls,
        issuer_url: str,
        issuer: str = "",
        timeout_s: float | None = 5.0,
        refresh_s: int = 0,
    ) -> "Source":
        """`issuer`: where it differs from the URL, for providers known by another name outside."""
        return cls(
            issuer_url.removesuffix("/") + "/.well-known/openid-configuration",
            issuer or issuer_url,
            "missing openid connect configuration",
            timeout_s,
            refresh_s,
        )

    @classmethod
    def uma2(cls, endpoint: str, timeout_s: float | None = 5.0) -> "Source":
        return cls(
            endpoint.removesuffix("/") + "/.well-known/uma2-configuration",
            endpoint,
            "failed to decode uma provider discovery object",
            timeout_s,
        )


class Provider:
    """One document; made by authz.jwt.providers.Providers, which counts who uses it.

    `changed` functions are called on the event loop after every fetch.
    """

    def __init__(
        self,
        outgoing: Outgoing,
        source: Source,
        released: Callable[[], None],
        clock: Clock | None = None,
    ) -> None:
        self._outgoing = outgoing
        self._source = source
        self._released = released
        self.changed: set[Callable[[], None]] = set()
        self._document: Refreshed[Document] = Refreshed(
            self._fetch, f"discovery of {host_of(source.url)}", self._tell, clock
        )

    def start(self) -> None:
        """Fetch in the background from now on; another time this does nothing."""
        self._document.start()

    def close(self) -> None:
        """The evaluator that opened it does not need it any more."""
        self._released()

    def stop(self) -> None:
        """Fetch nothing any more."""
        self._document.close()

    def end(self) -> None:
        """Nobody uses it any more."""
        self.stop()

    @property
    def current(self) -> Document | None:
        return self._document.current

    async def metadata(self, deadline: float | None) -> Document:
        """The document: an object of the expected issuer, no member of it checked otherwise.

        Waits for the first fetch, at most until `deadline` (time of the event loop). Raises
        ProviderUnavailable.
        """
        document = await self._document.get(deadline)
        if document is None:
            raise ProviderUnavailable(self._source.missing)
        return document

    def _tell(self) -> None:
        for listener in tuple(self.changed):
            listener()

    async def _fetch(self) -> Fetched[Document]:
        response = await fetch(self._outgoing, self._source.url, self._source.timeout_s)
        try:
            document = read_json_object(response.body)
        except ValueError as error:
            raise FetchFailed(f"the document is {error}") from None
        if document.get("issuer") != self._source.issuer:
            raise FetchFailed("the document names another issuer")
        return Fetched(document, self._source.refresh_s or None)


async def fetch(outgoing: Outgoing, url: str, timeout_s: float | None) -> OutgoingResponse:
    """GET with an answer of 200. Raises FetchFailed."""
    headers = (("accept", "application/json"),)
    request = OutgoingRequest("GET", url, headers, timeout_s=timeout_s, follow_redirects=True)
    try:
        response = await outgoing.send(request)
    except OutgoingError as error:
        raise FetchFailed(str(error)) from None
    if response.status != 200:
        raise FetchFailed(f"the answer has status {response.status}")
    return response


def host_of(url: str) -> str:
    """For the log: without path and credentials. Raises BadRequest."""
    return checked_url(url).host or ""
