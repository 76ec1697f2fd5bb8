from libc.stdint cimport uint32_t, uint64_t


cdef extern from "cells.hpp" namespace "tollhouse" nogil:
    cdef cppclass Cells:
        Cells(uint32_t threads) except +
        void add(uint32_t thread, uint32_t series, uint64_t amount)
        uint64_t sum(uint32_t series)


cdef class Series:
    cdef Cells *cells
    cdef uint32_t next_id
    cdef dict ids
