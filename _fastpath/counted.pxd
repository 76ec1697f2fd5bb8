from libc.stdint cimport uint32_t


cdef extern from "counted.hpp" namespace "tollhouse" nogil:
    cdef cppclass Counted:
        pass

    void retain(Counted *unit)
    bint release(Counted *unit)
    void drop(Counted *unit)
