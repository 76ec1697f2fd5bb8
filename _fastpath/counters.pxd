from libc.stdint cimport int64_t, uint32_t, uint64_t
from libcpp.vector cimport vector

from _fastpath.arena cimport Arena


cdef extern from "counters.hpp" namespace "tollhouse" nogil:
    enum:
        DIGEST_SIZE

    ctypedef enum HitMode:
        CHECK_AND_ADD, CHECK, ADD

    ctypedef enum Decision:
        FITS, REFUSED, NO_ROOM

    cdef struct CounterHit:
        const char *key         # digest, then per value its size in 4 bytes and its text
        uint32_t key_size
        bint give_back
        uint64_t amount
        uint64_t max_value
        int64_t window_ns
        bint fits               # out, like all below
        uint64_t remaining
        int64_t reset_ns

    uint32_t key_value_size(const char *text, uint32_t size)
    char *write_key_value(char *to, const char *text, uint32_t size)

    cdef cppclass ListedCounter:
        vector[char] key
        uint64_t value
        int64_t reset_ns

    cdef struct TableStats:
        uint64_t size
        uint64_t bytes
        uint64_t evicted
        uint64_t reclaimed

    cdef cppclass Table "tollhouse::CounterTable":
        Table(uint64_t max_counters) except +
        Decision decide(CounterHit *hits, size_t count, int64_t now, HitMode mode)
        void list(const char *digests, size_t count, int64_t now, uint32_t *shard_at,
                  uint64_t *position, uint64_t steps, vector[ListedCounter] *out) except +
        uint64_t remove(const char *digests, size_t count)
        bint reset(const char *key, uint32_t key_size)
        uint64_t sweep(int64_t now, uint64_t buckets)
        TableStats stats()
        uint64_t size()


cdef class CounterTable:
    cdef Table *table
    cdef Arena *arena           # scratch of calls from Python, used under the interpreter lock
