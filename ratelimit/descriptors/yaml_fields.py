"""Fields of YAML mappings, read by type as the original (yaml.v2) reads them, with their lines."""

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, TypeVar

import yaml

from ratelimit import yaml_tree
from ratelimit.errors import Problem
from ratelimit.yaml_tree import Node, Scalar, Sequence

_TAG = "tag:yaml.org,2002:"
_RESOLVERS = yaml.SafeLoader.yaml_implicit_resolvers
_CONSTRUCTOR = yaml.constructor.SafeConstructor()
LONGEST_SHOWN = 40

T = TypeVar("T")


class Fields:
    """Collects what is wrong in one file; every reading gives a usable value all the same."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.problems: list[Problem] = []
        self.warnings: list[Problem] = []

    def refuse(self, node: Node, field: str, message: str) -> None:
        self.problems.append(Problem(self.file, node.line, field, message))

    def warn(self, node: Node, field: str, message: str) -> None:
        self.warnings.append(Problem(self.file, node.line, field, message))

    def mapping(
        self, node: Node, field: str, own: Collection[str], elsewhere: Collection[str]
    ) -> dict[str, Node]:
        """The values of a mapping by name; merge keys give what it does not say itself.

        own: names that mean something here. elsewhere: those that would in another place; here
        they are told and passed over, as the original does without a word.
        """
        if not isinstance(node, yaml_tree.Mapping):
            self.refuse(node, field, f"{kind(node)}; expected a mapping")
            return {}
        found: dict[str, Node] = {}
        merged: dict[str, Node] = {}
        for key, value in node.pairs:
            if not isinstance(key, Scalar) or not _is_text(key):
                self.refuse(key, field, f"{kind(key)} as a key; expected the name of a field")
            elif key.plain and key.text == "<<":
                self._merge(value, field, own, elsewhere, merged)
            elif key.text in own:
                if key.text in found:
                    self.warn(key, _path(field, key.text), "is given twice; the last one counts")
                found[key.text] = value
            elif key.text in elsewhere:
                self.warn(key, _path(field, key.text), "has no effect in this place")
            else:
                names = ", ".join(own)
                self.refuse(key, _path(field, key.text), f"is no field; expected one of {names}")
        return {**merged, **found}

    def _merge(
        self,
        node: Node,
        field: str,
        own: Collection[str],
        elsewhere: Collection[str],
        merged: dict[str, Node],
    ) -> None:
        for source in node.items if isinstance(node, Sequence) else [node]:
            for name, value in self.mapping(source, field, own, elsewhere).items():
                merged.setdefault(name, value)

    def items(self, node: Node, field: str) -> Iterable[Node]:
        if isinstance(node, Sequence):
            return node.items
        if not is_null(node):
            self.refuse(node, field, f"{kind(node)}; expected a list")
        return ()

    def text(self, node: Node, field: str) -> str:
        """Text, or a whole number or true/false as it is written; nothing is the empty text."""
        if isinstance(node, Scalar):
            if is_null(node):
                return ""
            if not node.plain or tag(node) in ("str", "int", "bool"):
                return node.text
        self.refuse(node, field, f"{kind(node)}; expected text (in quotes where it looks unlike)")
        return ""

    def boolean(self, node: Node, field: str) -> bool:
        if is_null(node):
            return False
        if isinstance(node, Scalar) and node.plain and tag(node) == "bool":
            return bool(value_of(node))
        self.refuse(node, field, f"{kind(node)}; expected true or false")
        return False

    def integer(self, node: Node, field: str, least: int, most: int) -> int:
        if is_null(node) and least == 0:
            return 0
        if isinstance(node, Scalar) and node.plain and tag(node) == "int":
            number = value_of(node)
            if isinstance(number, int) and least <= number <= most:
                return number
        self.refuse(node, field, f"{kind(node)}; expected a whole number, {least} to {most}")
        return least

    def json(self, node: Node, field: str) -> Any:
        """Anything as JSON data; keys become text, numbers doubles."""
        if isinstance(node, Sequence):
            return [self.json(item, f"{field}[{i}]") for i, item in enumerate(node.items)]
        if isinstance(node, yaml_tree.Mapping):
            return {
                key.text: self.json(value, f"{field}.{key.text}")
                for key, value in node.pairs
                if isinstance(key, Scalar)
            }
        if not node.plain:
            return node.text
        if tag(node) in ("null", "bool", "str"):
            return value_of(node)
        if tag(node) in ("int", "float"):
            number = _double(value_of(node))
            if number is not None:
                return number
        self.refuse(node, field, f"{kind(node)} has no form in JSON; put it in quotes")
        return None


def _double(value: object) -> float | None:
    """The finite double of a number, None where there is none."""
    try:
        number = float(value) if isinstance(value, int | float) else None
    except OverflowError:
        return None
    if number is None or number != number or number in (float("inf"), -float("inf")):
        return None
    return number


def tag(node: Scalar) -> str:
    """What YAML 1.1 takes an unquoted scalar for: str, int, bool, null, float, timestamp …"""
    for found, pattern in _RESOLVERS.get(node.text[:1], ()):
        if pattern.match(node.text):
            return str(found).removeprefix(_TAG)
    return "str"


def value_of(node: Scalar) -> object:
    """The value of an unquoted scalar; its text where it only looks like something else."""
    scalar = yaml.ScalarNode(_TAG + tag(node), node.text)
    try:
        value: object = _CONSTRUCTOR.construct_object(scalar)  # a stateless use of a shared object
    except ValueError:
        return node.text
    return value


def is_null(node: Node) -> bool:
    return isinstance(node, Scalar) and node.plain and tag(node) == "null"


def _is_text(node: Scalar) -> bool:
    return not node.plain or tag(node) in ("str", "merge")


def _path(field: str, name: str) -> str:
    return f"{field}.{name}" if field else name


def kind(node: Node) -> str:
    if isinstance(node, Sequence):
        return "a list"
    if isinstance(node, yaml_tree.Mapping):
        return "a mapping"
    if is_null(node):
        return "nothing"
    shown = node.text if len(node.text) <= LONGEST_SHOWN else node.text[:LONGEST_SHOWN] + "…"
    return repr(shown)


def read(
    fields: Mapping[str, Node], name: str, reader: Callable[[Node, str], T], default: T, path: str
) -> T:
    """A field by its reader, `default` where it is absent."""
    return reader(fields[name], _path(path, name)) if name in fields else default
