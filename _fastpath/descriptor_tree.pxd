from libc.stdint cimport uint32_t, uint64_t
from libcpp cimport bool as cbool
from libcpp.memory cimport unique_ptr
from libcpp.string cimport string
from libcpp.vector cimport vector

from _fastpath.arena cimport Arena
from _fastpath.counted cimport Counted
from _fastpath.counters cimport CounterHit, Quota
from _fastpath.handler cimport Unit
from _fastpath.rls_codec cimport DescriptorView
from _fastpath.wire cimport TextView


cdef extern from "descriptor_tree.hpp" namespace "tollhouse" nogil:
    enum:
        STATISTICS_OF_LIMIT

    cdef struct LimitFacts:
        const char *digest
        const Quota *quota
        uint64_t near
        cbool unlimited
        cbool shadow
        cbool quota_mode
        uint32_t name
        TextView current_limit
        TextView max_text
        const uint32_t *series

    uint64_t near_limit(uint32_t requests, float ratio)

    cdef cppclass DescriptorLimit:
        char digest[16]
        Quota quota
        string name
        uint32_t series[5]
        vector[uint32_t] replaces
        cbool detailed
        LimitFacts facts
        void seal() except +

    cdef cppclass DescriptorNode

    cdef cppclass DescriptorLevel:
        vector[unique_ptr[DescriptorNode]] nodes
        void seal() except +

    cdef cppclass DescriptorNode:
        string key
        string composite
        vector[string] pieces
        cbool value_to_metric
        cbool share_threshold
        unique_ptr[DescriptorLimit] limit
        DescriptorLevel children

    cdef cppclass DescriptorMatch:
        const DescriptorLimit *limit
        uint32_t count

    bint match_descriptor(const DescriptorLevel *level, const DescriptorView &view, Arena *arena,
                          DescriptorMatch *out)
    bint plain_steps(const DescriptorView &view, Arena *arena, DescriptorMatch *out)
    bint descriptor_key(const char *digest, const DescriptorMatch &match, Arena *arena,
                        CounterHit *hit)
    bint configured_statistics(const DescriptorMatch &match)
    TextView statistics_name(TextView domain, const DescriptorMatch &match, Arena *arena)

    cdef cppclass DescriptorTree(Counted):
        DescriptorLevel root
        uint32_t names
        char override_digests[8][16]


cdef class DescriptorTreeUnit(Unit):
    pass
