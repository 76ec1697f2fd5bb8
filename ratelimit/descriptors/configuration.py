"""All domains in force at one time: what the full lane reads and what the native plan holds."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from _fastpath.cells import Series
from _fastpath.descriptor_spec import DescriptorLimitSpec, DescriptorSpec
from _fastpath.descriptor_tree import descriptor_tree
from _fastpath.handler import Unit
from _fastpath.limit_index import limit_index, limit_set
from ratelimit.descriptors.domain_file import DomainFile, problems_of
from ratelimit.descriptors.limit import (
    SECOND_NS,
    UNIT_SECONDS,
    DescriptorLimit,
    counter_digest,
    near_limit,
)
from ratelimit.descriptors.limit import (
    Unit as TimeUnit,
)
from ratelimit.descriptors.tree import Domain, Node
from ratelimit.errors import LimitsFileError


@dataclass(frozen=True)
class Domains:
    """Immutable. unit: the native index of the same domains, None before the first build."""

    by_name: Mapping[str, Domain] = field(default_factory=dict)
    units: Mapping[str, Unit] = field(default_factory=dict)
    unit: Unit | None = None

    def dump(self) -> str:
        """One line per limit, as the original's /rlconfig prints it."""
        return "".join(
            f"{path}: unit={limit.unit.name} requests_per_unit={limit.requests}, "
            f"shadow_mode: {_go(limit.shadow_mode)}, quota_mode: {_go(limit.quota_mode)}\n"
            for domain in self.by_name.values()
            for path, limit in domain.limits()
        )


def build(
    files: Sequence[DomainFile],
    series: Series,
    previous: Domains,
    *,
    merge: bool,
    near_ratio: float,
) -> Domains:
    """Compile the domains of these files, sharing what did not change with `previous`.

    merge: files of one domain are joined. Raises LimitsFileError for what is wrong between files.
    """
    problems = problems_of(files, merge=merge)
    if problems:
        raise LimitsFileError(sorted(problems))
    joined: dict[str, tuple[Node, ...]] = {}
    for file in files:
        joined[file.domain] = (*joined.get(file.domain, ()), *file.nodes)
    by_name = {name: Domain(name, nodes) for name, nodes in joined.items()}
    units: dict[str, Unit] = {}
    changes: dict[str, Unit | None] = dict.fromkeys(previous.by_name.keys() - by_name.keys())
    for name, domain in by_name.items():
        before = previous.by_name.get(name)
        if before == domain:
            by_name[name] = before
            units[name] = previous.units[name]
        else:
            units[name] = changes[name] = _compiled(domain, series, near_ratio)
    return Domains(by_name, units, limit_index(changes, previous.unit))


def _compiled(domain: Domain, series: Series, near_ratio: float) -> Unit:
    digests = [
        counter_digest(domain.name, UNIT_SECONDS.get(unit, 0) * SECOND_NS)
        for unit in sorted(TimeUnit)
    ]
    specs = _specs(domain, domain.nodes, domain.name, near_ratio)
    tree = descriptor_tree(tuple(specs), digests, series)
    return limit_set(domain.name, (), series, tree=tree)


def _specs(
    domain: Domain, nodes: Sequence[Node], path: str, near_ratio: float
) -> Iterable[DescriptorSpec]:
    for node in nodes:
        here = f"{path}.{node.composite}"
        yield DescriptorSpec(
            node.key,
            node.value,
            _limit_spec(domain, node.limit, here, near_ratio) if node.limit else None,
            tuple(_specs(domain, node.children, here, near_ratio)),
            node.value_to_metric,
            node.share_threshold,
        )


def _limit_spec(
    domain: Domain, limit: DescriptorLimit, path: str, near_ratio: float
) -> DescriptorLimitSpec:
    return DescriptorLimitSpec(
        digest=counter_digest(domain.name, limit.window_ns),
        quota=limit.quota,
        near=near_limit(limit.requests, near_ratio),
        statistics=path,
        unlimited=limit.unlimited,
        shadow=limit.shadow_mode,
        quota_mode=limit.quota_mode,
        detailed=limit.detailed_metric,
        name=limit.name,
        replaces=limit.replaces,
    )


def _go(value: bool) -> str:
    return "true" if value else "false"
