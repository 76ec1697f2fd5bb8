"""Who uses which discovery document and which key set: equal ones are fetched once for all."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from authz.jwt.discovery import Provider, Source
from authz.jwt.refreshed import Clock
from authz.jwt.trusted_keys import KeySource, TrustedKeys
from authz.outgoing.client import Outgoing


class _Endable(Protocol):
    def stop(self) -> None: ...
    def end(self) -> None: ...


E = TypeVar("E", bound=_Endable)
S = TypeVar("S", bound=Hashable)


@dataclass(slots=True)
class _Use(Generic[E]):
    shared: E
    count: int


class _Shared(Generic[S, E]):
    """One of each, from its first user to its last."""

    def __init__(self, make: Callable[[S, Callable[[], None]], E]) -> None:
        self._make = make
        self._uses: dict[S, _Use[E]] = {}

    def open(self, source: S) -> E:
        use = self._uses.get(source)
        if use is None:
            made = self._make(source, lambda: self._release(source))
            use = self._uses[source] = _Use(made, 0)
        use.count += 1
        return use.shared

    def _release(self, source: S) -> None:
        use = self._uses[source]
        use.count -= 1
        if not use.count:
            del self._uses[source]
            use.shared.end()

    def stop(self) -> None:
        for use in self._uses.values():
            use.shared.stop()

    def __len__(self) -> int:
        return len(self._uses)


class Providers:
    """One per process. Whoever opens closes what it got, once; closing is for the event loop."""

    def __init__(self, outgoing: Outgoing, clock: Clock | None = None) -> None:
        self._outgoing = outgoing
        self._clock = clock
        self._documents: _Shared[Source, Provider] = _Shared(self._provider)
        self._key_sets: _Shared[KeySource, TrustedKeys] = _Shared(self._keys)

    def open(self, source: Source) -> Provider:
        return self._documents.open(source)

    def open_keys(self, source: KeySource) -> TrustedKeys:
        return self._key_sets.open(source)

    def stop(self) -> None:
        """Fetch nothing any more, whoever still has something open."""
        self._documents.stop()
        self._key_sets.stop()

    def __len__(self) -> int:
        """Documents and key sets in use."""
        return len(self._documents) + len(self._key_sets)

    def _provider(self, source: Source, released: Callable[[], None]) -> Provider:
        return Provider(self._outgoing, source, released, self._clock)

    def _keys(self, source: KeySource, released: Callable[[], None]) -> TrustedKeys:
        provider = self.open(source) if isinstance(source, Source) else None
        return TrustedKeys(self._outgoing, source, provider, released, self._clock)
