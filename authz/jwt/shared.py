"""Things that several users share: equal ones exist once, from the first user to the last."""

from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar


class Endable(Protocol):
    def end(self) -> None:
        """Nobody uses it any more."""


E = TypeVar("E", bound=Endable)
S = TypeVar("S", bound=Hashable)


@dataclass(slots=True)
class _Use(Generic[E]):
    shared: E
    count: int


class Shared(Generic[S, E]):
    """make: gets the function that its product calls when one of its users leaves."""

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

    def __iter__(self) -> Iterator[E]:
        return (use.shared for use in self._uses.values())

    def __len__(self) -> int:
        return len(self._uses)
