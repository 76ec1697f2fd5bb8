from libc.stdint cimport uint64_t

from _fastpath.counted cimport Counted
from _fastpath.digest cimport Digest


cdef extern from "identity.hpp" namespace "tollhouse" nogil:
    cdef cppclass Identities "tollhouse::IdentityTable":
        Identities(size_t bound) except +
        Digest digest(uint64_t key_set, const void *key, size_t size)
        Counted *find(const Digest &digest)
        bint put(const Digest &digest, Counted *identity) except +
        bint remove(const Digest &digest)
        void let_go(Counted *identity)
        void collect()
        size_t size()


cdef class IdentityTable:
    cdef Identities *table
    cdef dict key_sets
    cdef Digest digest(self, uint64_t key_set, bytes key) noexcept
