"""All limits in force at one time: what the full lane reads and what the native plan holds."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from _fastpath.cells import Series
from _fastpath.handler import Unit
from _fastpath.limit_index import limit_index, limit_set
from ratelimit.compiled_limit import CompiledLimit
from ratelimit.errors import Problem
from ratelimit.limit import Limit
from ratelimit.selection import Entries


class NamespaceLimits:
    """The limits of one namespace, filed under one equality test each where they have any."""

    def __init__(self, limits: Sequence[CompiledLimit], unit: Unit) -> None:
        self.limits = tuple(limits)
        self.unit = unit
        self._filed: dict[tuple[int, str, str], list[CompiledLimit]] = {}
        self._others: list[CompiledLimit] = []
        for limit in limits:
            if limit.equalities:
                rarest = max(limit.equalities, key=lambda test: len(test[2]))
                self._filed.setdefault(rarest, []).append(limit)
            else:
                self._others.append(limit)

    def candidates(self, descriptors: Sequence[Entries]) -> Iterable[CompiledLimit]:
        """Every limit that could apply, and few others."""
        yield from self._others
        for index, entries in enumerate(descriptors):
            for key, value in entries.items():
                yield from self._filed.get((index, key, value), ())


@dataclass(frozen=True)
class Configuration:
    """Immutable. `unit` is the native index of the same limits."""

    unit: Unit
    namespaces: Mapping[str, NamespaceLimits] = field(default_factory=dict)
    warnings: tuple[Problem, ...] = ()

    @cached_property
    def by_digest(self) -> dict[bytes, CompiledLimit]:
        return {
            limit.limit.digest: limit
            for namespace in self.namespaces.values()
            for limit in namespace.limits
        }

    def limits(self, namespace: str) -> tuple[CompiledLimit, ...]:
        found = self.namespaces.get(namespace)
        return found.limits if found else ()

    def candidates(self, namespace: str, descriptors: Sequence[Entries]) -> Iterable[CompiledLimit]:
        found = self.namespaces.get(namespace)
        return found.candidates(descriptors) if found else ()


def build(
    limits: Iterable[CompiledLimit],
    warnings: tuple[Problem, ...],
    series: Series,
    previous: Configuration | None = None,
) -> Configuration:
    """Compile limits of distinct identity; namespaces without a change keep their native unit."""
    grouped: dict[str, list[CompiledLimit]] = {}
    for limit in limits:
        grouped.setdefault(limit.limit.namespace, []).append(limit)
    before = previous.namespaces if previous else {}
    changes: dict[str, Unit | None] = dict.fromkeys(before.keys() - grouped.keys())
    namespaces: dict[str, NamespaceLimits] = {}
    for namespace, group in grouped.items():
        old = before.get(namespace)
        if old is not None and _plain(old.limits) == _plain(group):
            namespaces[namespace] = old
            continue
        specs = [limit.spec() for limit in group if not limit.never_applies]
        unit = limit_set(namespace, specs, series)
        namespaces[namespace] = NamespaceLimits(group, unit)
        changes[namespace] = unit
    unit = limit_index(changes, previous.unit if previous else None)
    return Configuration(unit, namespaces, warnings)


def _plain(limits: Sequence[CompiledLimit]) -> list[Limit]:
    return [limit.limit for limit in limits]
