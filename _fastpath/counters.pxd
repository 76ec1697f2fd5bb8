from libc.stdint cimport int64_t, uint32_t, uint64_t
from libcpp.vector cimport vector

from _fastpath.calendar cimport NativeCalendar
from _fastpath.handler cimport Clock


cdef extern from "quota.hpp" namespace "tollhouse" nogil:
    ctypedef enum Algorithm:
        FIXED_WINDOW, ALIGNED_WINDOW, CALENDAR_WINDOW, SLIDING_WINDOW, TOKEN_BUCKET, CONCURRENCY

    cdef cppclass Quota:
        Algorithm algorithm
        uint64_t max_value
        int64_t window_ns
        uint64_t burst
        const NativeCalendar *calendar


cdef extern from "counters.hpp" namespace "tollhouse" nogil:
    enum:
        DIGEST_SIZE, LONGEST_VALUE

    ctypedef enum HitMode:
        CHECK_AND_ADD, CHECK, ADD

    ctypedef enum Decision:
        FITS, REFUSED, NO_ROOM

    cdef struct CounterHit:
        const char *key         # digest, then per value its size in 4 bytes and its text
        uint32_t key_size
        const Quota *quota
        uint64_t amount
        bint give_back
        bint binding
        bint always
        bint fits               # out, like all below
        uint64_t remaining
        int64_t reset_ns
        int64_t retry_ns

    cdef cppclass NativeSavedCounter "tollhouse::SavedCounter":
        vector[char] key
        vector[char] state
        int64_t expires_wall_ns

    ctypedef enum Restored "tollhouse::CounterTable::Restored":
        RESTORED "tollhouse::CounterTable::RESTORED"
        PASSED_OVER "tollhouse::CounterTable::PASSED_OVER"
        MALFORMED "tollhouse::CounterTable::MALFORMED"

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
        Decision decide(CounterHit *hits, size_t count, Clock clock, HitMode mode)
        void list(const char *digests, size_t count, Clock clock, uint32_t *shard_at,
                  uint64_t *position, uint64_t steps, vector[ListedCounter] *out) except +
        bint set(const char *key, uint32_t key_size, const Quota &quota, uint64_t value,
                 Clock clock)
        void changed(Clock clock, uint32_t *shard_at, uint64_t *position, uint64_t steps,
                     vector[NativeSavedCounter] *out) except +
        Restored restore(const char *key, uint32_t key_size, const char *state, size_t size,
                         Clock clock)
        uint64_t remove(const char *digests, size_t count)
        bint reset(const char *key, uint32_t key_size)
        uint64_t sweep(Clock clock, uint64_t buckets)
        TableStats stats()
        uint64_t size()


cdef class CounterTable:
    cdef Table *table


# From the tuples of counters.pyi; the key has to outlive the hit. They raise ValueError.
cdef int fill(CounterHit *hit, given, bytes key) except -1
cdef int fill_quota(Quota *quota, given) except -1
cdef Clock native_clock(clock)
