"""The parts of the input that a policy reads.

A part is the longest constant path of a reference, so what is left out is read by nothing.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

Paths = Mapping[str, "Paths"]


@dataclass(frozen=True, slots=True)
class InputParts:
    """tree: member -> the parts of that member; an empty mapping stands for all of it.

    whole: everything is read.
    """

    tree: Paths
    whole: bool = False

    @classmethod
    def of(cls, paths: Iterable[tuple[str, ...]]) -> "InputParts":
        tree: dict[str, object] = {}
        for path in sorted(set(paths), key=len, reverse=True):
            if not path:
                return cls({}, whole=True)
            node = tree
            for step in path[:-1]:
                inner = node.setdefault(step, {})
                assert isinstance(inner, dict)
                node = inner
            node[path[-1]] = {}  # shorter paths come last and take in the longer ones
        return cls(_typed(tree))

    def of_document(self, document: Mapping[str, object]) -> Mapping[str, object]:
        return document if self.whole else _part(self.tree, document)


def part_at(document: Mapping[str, object], path: tuple[str, ...]) -> object:
    """Raises LookupError where the document lacks it."""
    value: object = document
    for step in path:
        if not isinstance(value, dict):
            raise LookupError(step)
        value = value[step]
    return value


def _typed(tree: Mapping[str, object]) -> Paths:
    return {step: _typed(inner) for step, inner in tree.items() if isinstance(inner, dict)}


def _part(tree: Paths, document: Mapping[str, object]) -> Mapping[str, object]:
    found: dict[str, object] = {}
    for step, inner in tree.items():
        if step not in document:
            continue
        value = document[step]
        found[step] = _part(inner, value) if inner and isinstance(value, Mapping) else value
    return found
