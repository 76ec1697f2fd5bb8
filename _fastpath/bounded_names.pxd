from libc.stdint cimport uint32_t
from libcpp.string cimport string
from libcpp.vector cimport vector

from _fastpath.wire cimport TextView


cdef extern from "bounded_names.hpp" namespace "tollhouse" nogil:
    cdef cppclass BoundedNames:
        BoundedNames(uint32_t bound, uint32_t longest, uint32_t width,
                     vector[uint32_t] ids) except +
        const uint32_t *series(TextView name)
        vector[string] names() except +
