"""What `descriptor_tree.descriptor_tree` compiles: configured descriptors as plain data."""

from dataclasses import dataclass

from _fastpath.limit_spec import Quota

STATISTICS = ("total_hits", "within_limit", "near_limit", "over_limit", "shadow_mode")
"""What is counted per limit, in hits; in the order of every tuple of five."""


@dataclass(frozen=True, slots=True)
class DescriptorLimitSpec:
    """digest: 16 bytes, of the counters. near: hits from which the limit counts as near. name,
    replaces: who counts in a request; see descriptor_rls.pyi. statistics: the name of its series
    while no value of a request is part of it."""

    digest: bytes
    quota: Quota
    near: int
    statistics: str
    unlimited: bool = False
    shadow: bool = False
    quota_mode: bool = False
    detailed: bool = False
    name: str = ""
    replaces: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DescriptorSpec:
    """One node. value: "" matches any; a star in it stands for any text."""

    key: str
    value: str = ""
    limit: DescriptorLimitSpec | None = None
    children: tuple["DescriptorSpec", ...] = ()
    value_to_metric: bool = False
    share_threshold: bool = False
