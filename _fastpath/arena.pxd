cdef extern from "arena.hpp" namespace "tollhouse" nogil:
    cdef cppclass Arena:
        Arena()
        Arena(size_t bound)
        void *take(size_t size)
        void reset()
