"""Builds descriptor trees from Python; the structure is descriptor_tree.hpp."""

from cpython.bytes cimport PyBytes_AS_STRING
from libc.stdint cimport INT64_MAX, uint32_t
from libc.string cimport memcpy

from _fastpath.cells cimport Series
from _fastpath.counters cimport DIGEST_SIZE, Algorithm


cdef class DescriptorTreeUnit(Unit):
    pass


cdef int copy_digest(char *to, bytes digest) except -1:
    if len(digest) != DIGEST_SIZE:
        raise ValueError(f"a digest has {DIGEST_SIZE} bytes, not {len(digest)}")
    memcpy(to, PyBytes_AS_STRING(digest), DIGEST_SIZE)
    return 0


# What all nodes of a tree share while it is built.
cdef class Builder:
    cdef Series series
    cdef dict names         # of limits, numbered from 1

    def __init__(self, Series series):
        self.series = series
        self.names = {}

    cdef uint32_t name(self, str name) except? 0:
        return self.names.setdefault(name, len(self.names) + 1)

    cdef int fill_limit(self, DescriptorLimit *limit, spec) except -1:
        quota = spec.quota
        if not (0 <= quota.max_value < 1 << 32 and 0 <= quota.window_ns <= INT64_MAX):
            raise ValueError(f"the quota is out of range: {quota}")
        copy_digest(limit.digest, spec.digest)
        limit.quota.algorithm = <Algorithm> <int> quota.algorithm
        limit.quota.max_value = quota.max_value
        limit.quota.window_ns = quota.window_ns
        limit.name = spec.name.encode()
        limit.detailed = spec.detailed
        limit.facts.near = spec.near
        limit.facts.unlimited = spec.unlimited
        limit.facts.shadow = spec.shadow
        limit.facts.quota_mode = spec.quota_mode
        limit.facts.name = self.name(spec.name) if spec.name else 0
        for name in spec.replaces:
            limit.replaces.push_back(self.name(name))
        for kind in range(STATISTICS_OF_LIMIT):
            limit.series[kind] = self.series.id(("descriptor_limit", spec.statistics, kind))
        limit.seal()
        return 0

    cdef int fill_level(self, DescriptorLevel *level, specs) except -1:
        cdef DescriptorNode *node
        cdef DescriptorLimit *limit
        for spec in specs:
            node = new DescriptorNode()
            level.nodes.emplace_back(node)
            text = f"{spec.key}_{spec.value}" if spec.value else spec.key
            node.key = spec.key.encode()
            node.composite = text.encode()
            if "*" in text:
                for piece in text.split("*"):
                    node.pieces.push_back(piece.encode())
            node.value_to_metric = spec.value_to_metric
            node.share_threshold = spec.share_threshold
            if spec.limit is not None:
                limit = new DescriptorLimit()
                node.limit.reset(limit)
                self.fill_limit(limit, spec.limit)
            self.fill_level(&node.children, spec.children)
        level.seal()
        return 0


def descriptor_tree(nodes, override_digests, Series series):
    """Compile a domain's descriptors."""
    cdef DescriptorTreeUnit unit = DescriptorTreeUnit()
    cdef DescriptorTree *tree = new DescriptorTree()
    unit.pointer = tree
    if len(override_digests) != 8:
        raise ValueError("there are 8 units")
    for i in range(8):
        copy_digest(tree.override_digests[i], override_digests[i])
    cdef Builder builder = Builder(series)
    builder.fill_level(&tree.root, nodes)
    tree.names = len(builder.names)
    return unit
