"""The keys and algorithms that tokens of one issuer may be signed with, as they are now."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from authz.jwt.algorithms import ALGORITHMS, advertised
from authz.jwt.discovery import (
    KeysUnavailable,
    Provider,
    ProviderUnavailable,
    Source,
    fetch,
    host_of,
)
from authz.jwt.key_set import KeySet, read_key_set
from authz.jwt.refreshed import Clock, Fetched, FetchFailed, Refreshed
from authz.jwt.verification import Trust
from authz.outgoing.client import Outgoing

LIFETIME_S = 300.0
LIFETIMES_S = (60.0, 3600.0)  # what an answer may ask for
NO_KEYS = "failed to verify signature: fetching keys failed"
_MAX_AGE = re.compile(r'(?:^|[\s,])max-age="?(\d{1,9})(?!\d)', re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class KeySetUrl:
    """A key set without a discovery document: each key says by its type, and by its `alg` when it
    has one, what it verifies. timeout_s as in Source."""

    url: str
    timeout_s: float | None = 5.0


KeySource = Source | KeySetUrl


class TrustedKeys:
    """Made by authz.jwt.providers.Providers, which counts who uses it.

    `changed` functions are called on the event loop when `trust` has become another.
    """

    def __init__(
        self,
        outgoing: Outgoing,
        source: KeySource,
        provider: Provider | None,
        released: Callable[[], None],
        clock: Clock | None = None,
    ) -> None:
        self._outgoing = outgoing
        self._source = source
        self._provider = provider
        self._released = released
        self.changed: set[Callable[[], None]] = set()
        self.trust: Trust | None = None
        self._fetched_from: object = None
        if provider is not None:
            provider.changed.add(self._discovered)
        self._keys: Refreshed[KeySet] = Refreshed(
            self._fetch, f"key set of {host_of(source.url)}", self._update, clock
        )

    def start(self) -> None:
        """Fetch in the background from now on; another time this does nothing."""
        if self._provider is not None:
            self._provider.start()
        self._keys.start()

    def close(self) -> None:
        """The evaluator that opened it does not need it any more."""
        self._released()

    def stop(self) -> None:
        """Fetch nothing any more."""
        self._keys.close()

    def end(self) -> None:
        """Nobody uses it any more."""
        self.stop()
        if self._provider is not None:
            self._provider.changed.discard(self._discovered)
            self._provider.close()

    async def get(self, deadline: float | None) -> Trust:
        """Waits for the first fetch, at most until `deadline` (time of the event loop). Raises
        ProviderUnavailable."""
        if self.trust is None:
            if self._provider is not None:
                await self._provider.metadata(deadline)
            await self._keys.get(deadline)
        if self.trust is None:
            raise KeysUnavailable(NO_KEYS)
        return self.trust

    @property
    def renewable(self) -> bool:
        """Whether `renewed` could bring another key now."""
        return self._keys.renewable

    async def renewed(self, deadline: float | None) -> Trust:
        """After fetching the key set once more, unless that happened too often just before: who
        signs with a new key is believed as soon as it is published. Raises ProviderUnavailable."""
        await self._keys.renewed(deadline)
        return await self.get(deadline)

    def _discovered(self) -> None:
        document = self._provider and self._provider.current
        if document and document.get("jwks_uri") != self._fetched_from:
            self._keys.again()
        self._update()

    def _update(self) -> None:
        keys = self._keys.current
        document = None if self._provider is None else self._provider.current
        if keys is None or (self._provider is not None and document is None):
            return
        if document is None:
            algorithms = keys.algorithms or tuple(ALGORITHMS)
        else:
            algorithms = advertised(document.get("id_token_signing_alg_values_supported"))
        trust = Trust(keys, algorithms)
        if trust != self.trust:
            self.trust = trust
            for listener in tuple(self.changed):
                listener()

    async def _fetch(self) -> Fetched[KeySet]:
        url = await self._url()
        response = await fetch(self._outgoing, url, self._source.timeout_s)
        try:
            keys = read_key_set(response.body)
        except ValueError as error:
            raise FetchFailed(str(error)) from None
        self._fetched_from = url
        return Fetched(keys, _lifetime(response.headers.get("cache-control", "")))

    async def _url(self) -> str:
        if self._provider is None:
            return self._source.url
        try:
            url = (await self._provider.metadata(None)).get("jwks_uri")
        except ProviderUnavailable as error:
            raise FetchFailed(str(error)) from None
        if not isinstance(url, str):
            raise FetchFailed("the discovery document has no jwks_uri")
        return url


def _lifetime(cache_control: str) -> float:
    """Seconds, from the answer's `max-age` (RFC 9111 §5.2.2.1) within bounds."""
    found = _MAX_AGE.search(cache_control)
    if found is None:
        return LIFETIME_S
    least, most = LIFETIMES_S
    return min(max(float(found[1]), least), most)
