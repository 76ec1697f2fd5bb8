from libc.stdint cimport uint32_t, uint64_t

from _fastpath.counted cimport Counted


cdef extern from "plan.hpp" namespace "tollhouse" nogil:
    cdef cppclass Plan(Counted):
        uint64_t generation
        Counted *limits
        Counted *hosts
        Counted *labels

    cdef cppclass PlanStore:
        PlanStore(uint32_t readers) except +
        uint64_t publish(Counted *limits, Counted *hosts, Counted *labels) except +
        Plan *read(uint32_t reader)
        void let_go(Plan *plan)
        void collect()
        uint64_t generation()
        uint32_t readers()


cdef class Plans:
    cdef PlanStore *store
    cdef readonly uint32_t threads      # I/O threads; reader `threads` is the interpreter's
