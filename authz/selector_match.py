"""Kubernetes label selectors (apimachinery LabelSelector): matchLabels and matchExpressions."""

from collections.abc import Mapping
from dataclasses import dataclass

OPERATORS = ("In", "NotIn", "Exists", "DoesNotExist")


@dataclass(frozen=True, slots=True)
class Requirement:
    """`values` is empty for Exists and DoesNotExist."""

    key: str
    operator: str
    values: frozenset[str]

    def matches(self, labels: Mapping[str, str]) -> bool:
        if self.operator == "In":
            return labels.get(self.key) in self.values
        if self.operator == "NotIn":
            return labels.get(self.key) not in self.values
        return (self.key in labels) == (self.operator == "Exists")


@dataclass(frozen=True, slots=True)
class LabelSelector:
    """An empty selector matches everything."""

    labels: frozenset[tuple[str, str]]
    requirements: tuple[Requirement, ...]

    def matches(self, labels: Mapping[str, str]) -> bool:
        return self.labels <= labels.items() and all(r.matches(labels) for r in self.requirements)


EVERYTHING = LabelSelector(frozenset(), ())
MANAGED = LabelSelector(frozenset({("authorino.kuadrant.io/managed-by", "authorino")}), ())
"""Secrets with this label lose their key with it."""
