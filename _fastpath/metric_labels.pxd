from libc.stdint cimport uint32_t
from libcpp cimport bool as cbool
from libcpp.string cimport string
from libcpp.vector cimport vector

from _fastpath.counted cimport Counted
from _fastpath.program cimport Evaluation
from _fastpath.wire cimport TextView


cdef extern from "label_series.hpp" namespace "tollhouse" nogil:
    cdef cppclass LabelProgram:
        string name
        Counted *program

    cdef cppclass LabelSet(Counted):
        LabelSet()
        vector[LabelProgram] labels
        Counted *defaults
        cbool native

    cdef cppclass LabelSeries:
        cppclass Entry:
            uint32_t base
            uint32_t series
            string labels
        LabelSeries(vector[uint32_t] ids) except +
        uint32_t series(uint32_t base, TextView labels)
        vector[Entry] entries() except +


# The labels of a request as one text in the arena of `evaluation`, whose descriptors are bound.
# No text (a null pointer) when the arena is exhausted.
cdef TextView label_text(const LabelSet *set, Evaluation *evaluation) noexcept nogil
