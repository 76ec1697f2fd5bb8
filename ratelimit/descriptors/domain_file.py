"""The files of envoyproxy/ratelimit: YAML, one domain each.

What the original refuses is refused here, with the line. Ours alone is `unit_multiplier`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from ratelimit import yaml_tree
from ratelimit.descriptors.limit import MOST_REQUESTS, DescriptorLimit, Unit
from ratelimit.descriptors.tree import Node
from ratelimit.descriptors.yaml_fields import Fields, is_null, kind, read
from ratelimit.errors import LimitsFileError, Problem

MAX_FILE_BYTES = 64 << 20  # arbitrary: far beyond what anybody writes, small enough to hold
ROOT = ("domain", "descriptors")
DESCRIPTOR = (
    "key",
    "value",
    "rate_limit",
    "descriptors",
    "shadow_mode",
    "quota_mode",
    "detailed_metric",
    "value_to_metric",
    "share_threshold",
    "metadata",
)
RATE_LIMIT = ("unit", "unit_multiplier", "requests_per_unit", "unlimited", "name", "replaces")
REPLACES = ("name",)
ANYWHERE = frozenset((*ROOT, *DESCRIPTOR, *RATE_LIMIT))


@dataclass(frozen=True, slots=True)
class DomainFile:
    """warnings: in order of line."""

    path: str
    domain: str
    nodes: tuple[Node, ...]
    line: int = 1
    warnings: tuple[Problem, ...] = ()


def parse_bytes(data: bytes, path: str) -> DomainFile:
    """As `parse`, of a file's content."""
    if len(data) > MAX_FILE_BYTES:
        raise LimitsFileError([Problem(path, 1, "", f"is larger than {MAX_FILE_BYTES} bytes")])
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise LimitsFileError([Problem(path, line, "", "is no UTF-8")]) from error
    return parse(text, path)


def parse(text: str, path: str) -> DomainFile:
    """Raises LimitsFileError with everything that is wrong."""
    root = yaml_tree.read(text, path)
    if root is None or is_null(root):
        raise LimitsFileError([Problem(path, 1, "domain", "is missing")])
    reader = _Reader(path)
    found = reader.file(root)
    if reader.fields.problems:
        raise LimitsFileError(sorted(reader.fields.problems))
    return found


class _Reader:
    def __init__(self, path: str) -> None:
        self.fields = Fields(path)

    def file(self, root: yaml_tree.Node) -> DomainFile:
        found = self.fields.mapping(root, "", ROOT, ANYWHERE)
        domain = read(found, "domain", self.fields.text, "", "")
        if not domain:
            self.fields.refuse(found.get("domain", root), "domain", "is missing or empty")
        nodes = self._descriptors(found, "")
        warnings = tuple(sorted(self.fields.warnings))
        return DomainFile(self.fields.file, domain, nodes, root.line, warnings)

    def _descriptors(self, found: dict[str, yaml_tree.Node], path: str) -> tuple[Node, ...]:
        field = f"{path}.descriptors" if path else "descriptors"
        if "descriptors" not in found:
            return ()
        nodes: dict[str, Node] = {}
        for index, item in enumerate(self.fields.items(found["descriptors"], field)):
            node = self._descriptor(item, f"{field}[{index}]")
            first = nodes.setdefault(node.composite, node)
            if first is not node and node.key:
                message = f"the descriptor {node.composite!r} stands at line {first.line} too"
                self.fields.refuse(item, f"{field}[{index}]", message)
        return tuple(nodes.values())

    def _descriptor(self, item: yaml_tree.Node, path: str) -> Node:
        fields = self.fields
        found = fields.mapping(item, path, DESCRIPTOR, ANYWHERE)
        key = read(found, "key", fields.text, "", path)
        value = read(found, "value", fields.text, "", path)
        if not key and isinstance(item, yaml_tree.Mapping):
            fields.refuse(found.get("key", item), f"{path}.key", "is missing or empty")
        flags = {
            name: read(found, name, fields.boolean, False, path)
            for name in (*SHARED, "value_to_metric", "share_threshold")
        }
        if flags["share_threshold"] and "*" not in key + value:
            where = f"{path}.share_threshold"
            fields.refuse(item, where, "needs a value with a star, whose matches share the limit")
        limit = self._limit(found, path, {name: flags[name] for name in SHARED})
        return Node(
            key,
            value,
            limit,
            self._descriptors(found, path),
            flags["value_to_metric"],
            flags["share_threshold"],
            item.line,
        )

    def _limit(
        self, found: dict[str, yaml_tree.Node], path: str, flags: dict[str, bool]
    ) -> DescriptorLimit | None:
        fields, where = self.fields, f"{path}.rate_limit"
        metadata = self._metadata(found, path)
        if "rate_limit" not in found or is_null(found["rate_limit"]):
            return None
        node = found["rate_limit"]
        said = fields.mapping(node, where, RATE_LIMIT, ANYWHERE)
        if not isinstance(node, yaml_tree.Mapping):
            return None
        unlimited = read(said, "unlimited", fields.boolean, False, where)
        requests = partial(fields.integer, least=0, most=MOST_REQUESTS)
        multiplier = partial(fields.integer, least=1, most=MOST_REQUESTS)
        name = read(said, "name", fields.text, "", where)
        return DescriptorLimit(
            requests=read(said, "requests_per_unit", requests, 0, where),
            unit=self._unit(said, node, where, unlimited),
            multiplier=read(said, "unit_multiplier", multiplier, 1, where),
            unlimited=unlimited,
            name=name,
            replaces=self._replaces(said, where, name),
            metadata=metadata,
            **flags,
        )

    def _metadata(self, found: dict[str, yaml_tree.Node], path: str) -> dict[str, object]:
        node, field = found.get("metadata"), f"{path}.metadata"
        if node is None or is_null(node):
            return {}
        if not isinstance(node, yaml_tree.Mapping):
            self.fields.refuse(node, field, f"{kind(node)}; expected a mapping")
            return {}
        metadata: dict[str, object] = self.fields.json(node, field)
        return metadata

    def _unit(
        self, said: dict[str, yaml_tree.Node], node: yaml_tree.Node, where: str, unlimited: bool
    ) -> Unit:
        field = f"{where}.unit"
        text = read(said, "unit", self.fields.text, "", where)
        unit = UNITS.get(text.upper(), Unit.UNKNOWN)
        if unlimited and unit:
            self.fields.refuse(said["unit"], field, "is given to an unlimited rate limit")
        elif unlimited and text:
            self.fields.warn(said["unit"], field, f"{text!r} is no unit")
        elif not unlimited and not unit:
            expected = "second, minute, hour, day, week, month or year"
            problem = f"{text!r} is no unit" if text else "is missing"
            self.fields.refuse(said.get("unit", node), field, f"{problem}; expected {expected}")
        return unit

    def _replaces(self, said: dict[str, yaml_tree.Node], where: str, name: str) -> tuple[str, ...]:
        if "replaces" not in said:
            return ()
        names = []
        for index, item in enumerate(self.fields.items(said["replaces"], f"{where}.replaces")):
            field = f"{where}.replaces[{index}]"
            found = self.fields.mapping(item, field, REPLACES, ANYWHERE)
            replaced = read(found, "name", self.fields.text, "", field)
            if not replaced:
                self.fields.refuse(item, f"{field}.name", "is missing or empty")
            elif replaced == name:
                self.fields.refuse(item, f"{field}.name", "a limit cannot replace itself")
            names.append(replaced)
        return tuple(names)


SHARED = ("shadow_mode", "quota_mode", "detailed_metric")
UNITS = {unit.name: unit for unit in Unit if unit}


def problems_of(files: Sequence[DomainFile], *, merge: bool) -> list[Problem]:
    """What is wrong between files: a domain twice, or with `merge` a descriptor twice in it."""
    problems: list[Problem] = []
    domains: dict[str, DomainFile] = {}
    nodes: dict[tuple[str, str], tuple[str, int]] = {}
    for file in files:
        first = domains.setdefault(file.domain, file)
        if first is not file and not merge:
            message = f"{file.domain!r} stands in {first.path} too; MERGE_DOMAIN_CONFIG joins files"
            problems.append(Problem(file.path, file.line, "domain", message))
            continue
        for node in file.nodes:
            place = nodes.setdefault((file.domain, node.composite), (file.path, node.line))
            if place[0] != file.path:
                where = f"{place[0]}:{place[1]}"
                message = f"the descriptor {node.composite!r} stands at {where} too"
                problems.append(Problem(file.path, node.line, "descriptors", message))
    return problems
