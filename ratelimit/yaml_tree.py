"""YAML as a tree of nodes that know their lines, built without recursion.

Scalars stay text: what one means is decided by the field that reads it, as serde_yaml does. The
depth is bounded, so a hostile file cannot exhaust the stack.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import yaml

from ratelimit.errors import LimitsFileError, Problem

MAX_DEPTH = 64  # arbitrary: a limits file needs three
_STR_TAG = "tag:yaml.org,2002:str"


@dataclass(slots=True)
class Scalar:
    """plain: written without quotes, so that it may be a number or null."""

    line: int
    text: str
    plain: bool


@dataclass(slots=True)
class Sequence:
    line: int
    items: list["Node"] = field(default_factory=list)


@dataclass(slots=True)
class Mapping:
    line: int
    pairs: list[tuple["Node", "Node"]] = field(default_factory=list)


Node = Scalar | Sequence | Mapping


def read(text: str, file: str) -> Node | None:
    """The one document of `text`, None if there is none.

    Raises LimitsFileError for what is no YAML, more than one document, nesting past MAX_DEPTH and
    an alias to a node around itself.
    """
    try:
        return _Reader(file).tree(iter(yaml.parse(text, Loader=yaml.CSafeLoader)))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise LimitsFileError([Problem(file, line, "", f"no YAML: {error.problem}")]) from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, max(error.position, 0)) + 1
        raise LimitsFileError([Problem(file, line, "", f"no YAML: {error.reason}")]) from error


class _Reader:
    """Keeps the open collections on a list of its own; `_keys` holds a mapping's pending key."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._open: list[Sequence | Mapping] = []
        self._keys: list[Node | None] = []
        self._anchors: dict[str, Node] = {}
        self._root: Node | None = None

    def tree(self, events: Iterator[yaml.Event]) -> Node | None:
        documents = 0
        for event in events:
            line = event.start_mark.line + 1 if event.start_mark else 1
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise self._error(line, "a second document; a limits file holds one")
            elif isinstance(event, yaml.AliasEvent):
                self._add(self._alias(event.anchor, line))
            elif isinstance(event, yaml.ScalarEvent):
                plain = not event.style and event.tag != _STR_TAG
                self._named(event.anchor, Scalar(line, event.value, plain))
            elif isinstance(event, yaml.SequenceStartEvent):
                self._enter(event.anchor, Sequence(line))
            elif isinstance(event, yaml.MappingStartEvent):
                self._enter(event.anchor, Mapping(line))
            elif isinstance(event, yaml.SequenceEndEvent | yaml.MappingEndEvent):
                self._open.pop()
                self._keys.pop()
        return self._root

    def _named(self, anchor: str | None, node: Node) -> None:
        if anchor is not None:
            self._anchors[anchor] = node
        self._add(node)

    def _enter(self, anchor: str | None, node: Sequence | Mapping) -> None:
        if len(self._open) >= MAX_DEPTH:
            raise self._error(node.line, f"nested deeper than {MAX_DEPTH} levels")
        self._named(anchor, node)
        self._open.append(node)
        self._keys.append(None)

    def _add(self, node: Node) -> None:
        if not self._open:
            self._root = node
            return
        parent = self._open[-1]
        if isinstance(parent, Sequence):
            parent.items.append(node)
        elif (key := self._keys[-1]) is None:
            self._keys[-1] = node
        else:
            parent.pairs.append((key, node))
            self._keys[-1] = None

    def _alias(self, anchor: str | None, line: int) -> Node:
        node = self._anchors.get(anchor or "")
        if node is None:
            raise self._error(line, f"alias *{anchor} names no anchor before it")
        if any(node is around for around in self._open):
            raise self._error(line, f"alias *{anchor} stands inside of what it names")
        return node

    def _error(self, line: int, message: str) -> LimitsFileError:
        return LimitsFileError([Problem(self._file, line, "", message)])
