"""The tree of a domain, and which of its limits a descriptor meets.

The full lane's half of the rules that `_fastpath/descriptor_rls.pyi` states; it is the reference.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from ratelimit.descriptors.limit import DescriptorLimit, Entries


@dataclass(frozen=True)
class Node:
    """One configured descriptor with what is nested in it.

    line: where it stands in its file, from 1. children: in the order of the file.
    """

    key: str
    value: str = ""
    limit: DescriptorLimit | None = None
    children: tuple["Node", ...] = ()
    value_to_metric: bool = False
    share_threshold: bool = False
    line: int = field(default=1, compare=False)

    @cached_property
    def composite(self) -> str:
        """What siblings are told apart by. `key_value` on purpose is one text: a request's entry
        matches it wherever the underscore stands."""
        return f"{self.key}_{self.value}" if self.value else self.key

    @cached_property
    def pieces(self) -> tuple[str, ...]:
        """What stands between the stars of a wildcard."""
        return tuple(self.composite.split("*"))

    @property
    def wildcard(self) -> bool:
        return len(self.pieces) > 1

    @cached_property
    def level(self) -> "Level":
        return Level(self.children)


class Level:
    """Siblings: by their text, and those with a star in the order of the file."""

    def __init__(self, nodes: Iterable[Node]) -> None:
        self.nodes = tuple(nodes)
        self._exact = {node.composite: node for node in self.nodes}
        self._wildcards = tuple(node for node in self.nodes if node.wildcard)

    def exact(self, text: str) -> Node | None:
        return self._exact.get(text)

    def wildcard(self, text: str) -> Node | None:
        """The first whose stars stand for something in `text`."""
        return next((node for node in self._wildcards if star_match(node.pieces, text)), None)


@dataclass(frozen=True)
class Domain:
    """A domain's descriptors, those of several files in the order of their names."""

    name: str
    nodes: tuple[Node, ...]

    @cached_property
    def level(self) -> Level:
        return Level(self.nodes)

    def limits(self) -> Iterable[tuple[str, DescriptorLimit]]:
        """Every limit with the name of its statistics, parents before their children."""
        pending = [(f"{self.name}.{node.composite}", node) for node in reversed(self.nodes)]
        while pending:
            path, node = pending.pop()
            if node.limit is not None:
                yield path, node.limit
            pending += [(f"{path}.{child.composite}", child) for child in reversed(node.children)]


@dataclass(frozen=True, slots=True)
class Match:
    """The limit of one descriptor of a request.

    values: of its counter: key and value of each entry in turn; where a threshold is shared the
    wildcard stands for the value. statistics: the name that its hits are counted under.
    """

    limit: DescriptorLimit
    values: tuple[str, ...]
    statistics: str


def star_match(pieces: Sequence[str], text: str) -> bool:
    """Whether `text` is `pieces` with anything, also nothing, between them."""
    first, *middle, last = pieces
    if len(text) < len(first) + len(last) or not text.startswith(first) or not text.endswith(last):
        return False
    at, end = len(first), len(text) - len(last)
    for piece in middle:
        found = text.find(piece, at, end)
        if found < 0:
            return False
        at = found + len(piece)
    return True


def find(domain: Domain, entries: Entries) -> Match | None:
    """The limit that applies to a descriptor: at exactly the depth of its entries."""
    level = domain.level
    path: list[_Step] = []
    for key, value in entries:
        step = _step(level, key, value)
        if step is None:
            return None
        path.append(step)
        level = step.node.level
    limit = path[-1].node.limit if path else None
    if limit is None:
        return None
    values = tuple(part for step in path for part in (step.key, step.pattern or step.value))
    return Match(limit, values, _statistics(domain.name, limit, path))


@dataclass(frozen=True, slots=True)
class _Step:
    """How one entry met its node. pattern: the wildcard, where values share one counter."""

    key: str
    value: str
    node: Node
    by_wildcard: bool
    by_value: bool

    @property
    def wildcard(self) -> str:
        return self.node.composite.removeprefix(self.key + "_")

    @property
    def pattern(self) -> str:
        return self.wildcard if self.by_wildcard and self.node.share_threshold else ""


def _step(level: Level, key: str, value: str) -> _Step | None:
    text = f"{key}_{value}"
    if (node := level.exact(text)) is not None:
        return _Step(key, value, node, by_wildcard=False, by_value=True)
    if (node := level.wildcard(text)) is not None:
        return _Step(key, value, node, by_wildcard=True, by_value=True)
    if (node := level.exact(key)) is not None:
        return _Step(key, value, node, by_wildcard=False, by_value=False)
    return None


def _statistics(domain: str, limit: DescriptorLimit, path: Sequence[_Step]) -> str:
    if limit.detailed_metric:
        shared = any(step.pattern for step in path)
        names = [_detailed(step, shared) for step in path]
    else:
        names = [_joined(step.key, _shown(step)) for step in path]
    return ".".join((domain, *names))


def _detailed(step: _Step, shared: bool) -> str:
    if shared:
        return _joined(step.key, step.pattern or step.value)
    return f"{step.key}_{step.value}"


def _shown(step: _Step) -> str:
    """What of the value the statistics tell."""
    if step.by_wildcard:
        if step.pattern:
            return step.pattern
        return step.value if step.node.value_to_metric else step.wildcard
    return step.value if step.by_value or step.node.value_to_metric else ""


def _joined(key: str, value: str) -> str:
    return f"{key}_{value}" if value else key


def override_statistics(domain: str, entries: Entries) -> str:
    """The name for a limit that came with the request."""
    return ".".join((domain, ".".join(_joined(key, value) for key, value in entries)))
