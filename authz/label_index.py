"""Objects with labels, found by a label selector without looking at them all."""

from collections.abc import Mapping
from typing import Generic, Protocol, TypeVar

from authz.selector_match import LabelSelector

Label = tuple[str, str]
Id = tuple[str, str]


class Labelled(Protocol):
    """id: namespace and name."""

    @property
    def id(self) -> Id: ...
    @property
    def labels(self) -> Mapping[str, str]: ...


T = TypeVar("T", bound=Labelled)


class LabelIndex(Generic[T]):
    """One task changes it; `get` is for any thread."""

    def __init__(self) -> None:
        self._objects: dict[Id, T] = {}
        self._labelled: dict[Label, dict[Id, None]] = {}

    def put(self, item: T) -> None:
        self.pop(item.id)
        self._objects[item.id] = item
        for label in item.labels.items():
            self._labelled.setdefault(label, {})[item.id] = None

    def pop(self, item_id: Id) -> T | None:
        item = self._objects.pop(item_id, None)
        for label in item.labels.items() if item is not None else ():
            del self._labelled[label][item_id]
            if not self._labelled[label]:
                del self._labelled[label]
        return item

    def get(self, item_id: Id) -> T | None:
        return self._objects.get(item_id)

    def matching(self, namespace: str | None, selector: LabelSelector) -> list[T]:
        """Those of a namespace, or of all for None, with fitting labels; oldest first."""
        return [
            item
            for item in self._candidates(selector)
            if namespace in (None, item.id[0]) and selector.matches(item.labels)
        ]

    def __len__(self) -> int:
        return len(self._objects)

    def _candidates(self, selector: LabelSelector) -> list[T]:
        if not selector.labels:
            return list(self._objects.values())
        found = (self._labelled.get(label, {}) for label in selector.labels)
        return [self._objects[item_id] for item_id in min(found, key=len)]


def index_label(selector: LabelSelector) -> Label | None:
    """One label that whatever the selector matches has, if it names any: to file selectors by."""
    return min(selector.labels, default=None)
