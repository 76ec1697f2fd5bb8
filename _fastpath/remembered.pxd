from libc.stdint cimport int64_t, uint64_t

from _fastpath.counted cimport Counted


cdef extern from "remembered.hpp" namespace "tollhouse" nogil:
    cdef cppclass Remembered "tollhouse::RememberedTable":
        Remembered(size_t max_entries, size_t max_bytes) except +
        uint64_t new_scope()
        Counted *find(uint64_t scope, const void *key, size_t size, int64_t wall_ns)
        bint put(
            uint64_t scope, const void *key, size_t size, Counted *value, size_t bytes,
            int64_t expires_ns
        ) except +
        void drop_scope(uint64_t scope) except +
        void let_go(Counted *value)
        void collect()
        size_t size()
        size_t bytes()


cdef class RememberedTable:
    cdef Remembered *table
