"""RateLimitConfig, the xDS resource that holds one domain, as a domain file.

The same rules hold as for files; there are no lines to tell.
"""

from collections.abc import Iterable, Sequence
from functools import partial

from google.protobuf import json_format
from google.protobuf.message import DecodeError

from protos.generated import ratelimit_config_pb2
from ratelimit.descriptors.domain_file import DomainFile
from ratelimit.descriptors.limit import DescriptorLimit, Unit
from ratelimit.descriptors.tree import Node
from ratelimit.errors import LimitsFileError, Problem

TYPE_URL = "type.googleapis.com/ratelimit.config.ratelimit.v3.RateLimitConfig"
UNITS = {int(unit): unit for unit in Unit}

_Descriptor = ratelimit_config_pb2.RateLimitDescriptor
_Policy = ratelimit_config_pb2.RateLimitPolicy


def parse(type_url: str, data: bytes) -> DomainFile:
    """Raises LimitsFileError with everything that is wrong."""
    if type_url != TYPE_URL:
        raise LimitsFileError([Problem("xds", 0, "", f"{type_url!r} is no {TYPE_URL}")])
    try:
        config = ratelimit_config_pb2.RateLimitConfig.FromString(data)
    except DecodeError as error:
        raise LimitsFileError([Problem("xds", 0, "", "is no RateLimitConfig")]) from error
    name = f"xds {config.name!r}"
    reader = _Reader(name)
    if not config.domain:
        reader.refuse("domain", "is missing or empty")
    nodes = tuple(reader.nodes(config.descriptors, "descriptors"))
    if reader.problems:
        raise LimitsFileError(reader.problems)
    return DomainFile(name, config.domain, nodes, line=0)


class _Reader:
    def __init__(self, name: str) -> None:
        self._name = name
        self.problems: list[Problem] = []

    def refuse(self, field: str, message: str) -> None:
        self.problems.append(Problem(self._name, 0, field, message))

    def nodes(self, descriptors: Sequence[_Descriptor], path: str) -> Iterable[Node]:
        seen: set[str] = set()
        for index, descriptor in enumerate(descriptors):
            field = f"{path}[{index}]"
            node = self._node(descriptor, field)
            if not node.key:
                self.refuse(f"{field}.key", "is missing or empty")
            elif node.composite in seen:
                self.refuse(field, f"the descriptor {node.composite!r} stands twice")
            seen.add(node.composite)
            yield node

    def _node(self, descriptor: _Descriptor, field: str) -> Node:
        limit = self._limit(descriptor, field) if descriptor.HasField("rate_limit") else None
        children = tuple(self.nodes(descriptor.descriptors, f"{field}.descriptors"))
        return Node(descriptor.key, descriptor.value, limit, children, line=0)

    def _limit(self, descriptor: _Descriptor, field: str) -> DescriptorLimit:
        policy = descriptor.rate_limit
        refuse = partial(self.refuse, f"{field}.rate_limit.unit")
        unit = UNITS.get(int(policy.unit), Unit.UNKNOWN)
        if policy.unlimited and unit:
            refuse("is given to an unlimited rate limit")
        elif not policy.unlimited and not unit:
            refuse("is missing")
        return DescriptorLimit(
            requests=policy.requests_per_unit,
            unit=unit,
            unlimited=policy.unlimited,
            name=policy.name,
            replaces=tuple(self._replaces(policy, f"{field}.rate_limit.replaces")),
            shadow_mode=descriptor.shadow_mode,
            quota_mode=descriptor.quota_mode,
            detailed_metric=descriptor.detailed_metric,
            metadata=json_format.MessageToDict(descriptor.metadata),
        )

    def _replaces(self, policy: _Policy, field: str) -> Iterable[str]:
        for index, replaced in enumerate(policy.replaces):
            if not replaced.name:
                self.refuse(f"{field}[{index}].name", "is missing or empty")
            elif replaced.name == policy.name:
                self.refuse(f"{field}[{index}].name", "a limit cannot replace itself")
            yield replaced.name
