from libc.stdint cimport int64_t, uint64_t

from _fastpath.arena cimport Arena
from _fastpath.counted cimport Counted
from _fastpath.value cimport Value
from _fastpath.wire cimport TextView


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
        size_t size()
        size_t bytes()


cdef class RememberedTable:
    cdef Remembered *table


cdef enum ResultKey:
    KEY_FOUND
    KEY_NONE        # null, or no value at all: nothing is remembered
    KEY_NO_MEMORY


# The key of a result, in the arena; `credential` may be NULL.
cdef ResultKey result_key_of(
    Value value, const TextView *credential, Arena *arena, TextView *key
) noexcept nogil
