from libc.stdint cimport int64_t, uint64_t

from _fastpath.counted cimport Counted
from _fastpath.digest cimport Digest
from _fastpath.wire cimport TextView


cdef extern from "identity.hpp" namespace "tollhouse" nogil:
    cdef cppclass Identities "tollhouse::IdentityTable":
        Identities(size_t bound) except +
        Digest digest(
            uint64_t key_set, bint hashed, const void *id, size_t id_size, const void *key,
            size_t size)
        Counted *find(const Digest &digest, int64_t wall_ns)
        bint put(const Digest &digest, Counted *identity, int64_t expires_ns) except +
        bint remove(const Digest &digest)
        void let_go(Counted *identity)
        void collect()
        bint has_hashes()
        void expect_hashes()
        size_t size()


# The identity of a key, found by the key itself or by its SHA-256, with a reference for the caller;
# NULL when there is none or it has expired. `app_id`: empty for keys that stand alone.
cdef Counted *find_key(
    Identities *table, uint64_t key_set, TextView app_id, TextView key, int64_t wall_ns
) noexcept nogil


cdef class IdentityTable:
    cdef Identities *table
    cdef dict key_sets
    cdef Digest digest_of(self, uint64_t key_set, bytes key, bytes app_id, bint hashed) noexcept
