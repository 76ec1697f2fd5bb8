from libc.stdint cimport uint64_t


cdef extern from "digest.hpp" namespace "tollhouse" nogil:
    cdef struct Digest:
        uint64_t low
        uint64_t high

    bint same_digest(const Digest &a, const Digest &b)

    cdef cppclass Secret:
        Secret()
        Secret(uint64_t low, uint64_t high)

    cdef cppclass SipHasher:
        SipHasher()
        SipHasher(const Secret &secret)
        void add(uint64_t word)
        void add(const void *data, size_t size)
        Digest digest()
