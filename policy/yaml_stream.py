"""YAML streams as Kubernetes reads them: documents as JSON data, each with its line.

Timestamps stay text, merge keys work, scalar keys are text as written, a repeated key is an error.
A document that cannot be read is told by itself; only a stream without form is refused whole.
"""

import math
from dataclasses import dataclass
from typing import Any

import yaml

from policy.errors import InvalidObject, UnreadableManifest
from policy.position import Position

MOST_NODES = 5_000_000  # arbitrary: per document, far beyond what anybody writes
_MERGE = "tag:yaml.org,2002:merge"
_NULL = "tag:yaml.org,2002:null"
_TEXT = "tag:yaml.org,2002:str"
_SCALARS = tuple(f"tag:yaml.org,2002:{kind}" for kind in ("int", "bool", "float", "null"))
# What PyYAML's constructors raise for a value that does not fit its tag.
_MISFITS = (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError)


class _LastKeyLoader(yaml.CSafeLoader):
    """Of a repeated key the last one counts."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        for key, _ in node.value:
            if key.tag in _SCALARS:
                key.tag = _TEXT
        return dict(super().construct_mapping(node, deep=deep))


class Loader(_LastKeyLoader):
    """A repeated key is an error."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if key.tag != _MERGE and isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"key {key.value!r} is given twice", key.start_mark
                    )
                seen.add(key.value)
        return super().construct_mapping(node, deep=deep)


_LastKeyLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
    for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}


@dataclass(frozen=True, slots=True)
class Document:
    """`data` is JSON data. With a fault it is what could be made out, None if nothing could.

    text: the lines of this document.
    """

    position: Position
    text: str
    data: Any
    fault: InvalidObject | None


def read(text: str, file: str) -> list[Document]:
    """The documents that are not empty; raises UnreadableManifest when the stream has no form."""
    loader = Loader(text)
    found = []
    try:
        while loader.check_node():
            node = loader.get_node()
            if node is not None and node.tag != _NULL:
                _measure(node, [], MOST_NODES)
                found.append(_document(loader, node, text, file))
    except yaml.MarkedYAMLError as error:
        message = f"not readable as YAML: {error.problem or error.context}"
        raise UnreadableManifest(Position(file, _line(error)), "", message) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise UnreadableManifest(Position(file, 1), "", f"not readable as YAML: {error}") from error
    finally:
        loader.dispose()
    return found


def _document(loader: Loader, node: yaml.Node, text: str, file: str) -> Document:
    begin = text.rfind("\n", 0, node.start_mark.index) + 1
    source = text[begin : node.end_mark.index]
    position = Position(file, node.start_mark.line + 1)
    try:
        data = loader.construct_document(node)
    except yaml.constructor.ConstructorError as error:
        fault = InvalidObject(Position(file, _line(error)), "", error.problem or "not readable")
        return Document(position, source, _salvage(source), fault)
    except _MISFITS:  # its text may quote a secret value
        fault = InvalidObject(position, "", "a value is not what its tag says")
        return Document(position, source, None, fault)
    try:
        return Document(position, source, _Plain().of(data), None)
    except ValueError as error:
        return Document(position, source, None, InvalidObject(position, "", str(error)))


def _salvage(source: str) -> Any:
    """What can be told of a document with a repeated key."""
    try:
        return _Plain().of(yaml.load(source, Loader=_LastKeyLoader))
    except (yaml.YAMLError, *_MISFITS):
        return None


def _line(error: yaml.MarkedYAMLError) -> int:
    mark = error.problem_mark or error.context_mark
    return mark.line + 1 if mark else 1


def _measure(node: yaml.Node, above: list[yaml.Node], left: int) -> int:
    """Refuse aliases that recur or multiply without bound; gives the nodes still allowed."""
    if node in above:
        raise yaml.YAMLError("an alias contains itself")
    if left <= 0:
        raise yaml.YAMLError(f"more than {MOST_NODES} values once aliases are expanded")
    left -= 1
    children = node.value if isinstance(node, yaml.CollectionNode) else ()
    above.append(node)
    for child in children:
        for part in child if isinstance(child, tuple) else (child,):
            left = _measure(part, above, left)
    above.pop()
    return left


class _Plain:
    """Makes JSON data of what YAML can hold; what an alias repeats stays shared."""

    def __init__(self) -> None:
        self._done: dict[int, Any] = {}

    def of(self, value: Any) -> Any:
        """Raises ValueError for what JSON has not."""
        if isinstance(value, dict | list):
            done = self._done.get(id(value))
            if done is None:
                done = self._done[id(value)] = self._collection(value)
            return done
        if isinstance(value, str):
            return _text(value)
        if value is None or isinstance(value, bool | int):
            return value
        if isinstance(value, float) and math.isfinite(value):
            return value
        raise ValueError(f"a value of type {type(value).__name__} is no JSON")

    def _collection(self, value: dict[Any, Any] | list[Any]) -> Any:
        if isinstance(value, list):
            return [self.of(item) for item in value]
        plain: dict[str, Any] = {}
        for key, inner in value.items():
            if not isinstance(key, str):
                raise ValueError(f"a key of type {type(key).__name__} is no text")
            plain[_text(key)] = self.of(inner)
        return plain


def _text(value: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError("a text holds half of a surrogate pair") from None
    return value
