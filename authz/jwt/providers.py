"""Who uses which discovery document and which key set: equal ones are fetched once for all."""

from collections.abc import Callable

from authz.jwt.discovery import Provider, Source
from authz.jwt.refreshed import Clock
from authz.jwt.shared import Shared
from authz.jwt.trusted_keys import KeySource, TrustedKeys
from authz.outgoing.client import Outgoing


class Providers:
    """One per process. Whoever opens closes what it got, once; closing is for the event loop."""

    def __init__(self, outgoing: Outgoing, clock: Clock | None = None) -> None:
        self._outgoing = outgoing
        self._clock = clock
        self._documents: Shared[Source, Provider] = Shared(self._provider)
        self._key_sets: Shared[KeySource, TrustedKeys] = Shared(self._keys)

    def open(self, source: Source) -> Provider:
        return self._documents.open(source)

    def open_keys(self, source: KeySource) -> TrustedKeys:
        return self._key_sets.open(source)

    def stop(self) -> None:
        """Fetch nothing any more, whoever still has something open."""
        for document in self._documents:
            document.stop()
        for keys in self._key_sets:
            keys.stop()

    def __len__(self) -> int:
        """Documents and key sets in use."""
        return len(self._documents) + len(self._key_sets)

    def _provider(self, source: Source, released: Callable[[], None]) -> Provider:
        return Provider(self._outgoing, source, released, self._clock)

    def _keys(self, source: KeySource, released: Callable[[], None]) -> TrustedKeys:
        provider = self.open(source) if isinstance(source, Source) else None
        return TrustedKeys(self._outgoing, source, provider, released, self._clock)
