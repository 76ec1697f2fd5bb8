from libc.stdint cimport uint16_t, uint32_t
from libcpp.vector cimport vector

from _fastpath.arena cimport Arena
from _fastpath.counted cimport Counted
from _fastpath.document cimport Document
from _fastpath.handler cimport Unit
from _fastpath.value cimport Value


cdef extern from "<re2/re2.h>" namespace "re2" nogil:
    cdef cppclass RE2:
        pass


cdef extern from "program.hpp" namespace "tollhouse" nogil:
    cdef struct Node:
        uint16_t op
        uint16_t slot
        uint32_t a
        uint32_t b
        uint32_t c
        Value constant
        const RE2 *pattern

    cdef cppclass Program(Counted):
        vector[Node] nodes
        vector[uint32_t] children
        Document *constants

    bint pattern_found(const RE2 *pattern, const char *text, size_t size)


# The value of a variable. Slots of limits: 0 descriptors, 1 limit. Slots of authorization:
# 0 request, 1 source, 2 destination, 3 metadata, 4 auth, 5 context. ABSENT: there is none.
ctypedef Value (*root_function)(void *state, uint32_t slot) noexcept nogil


cdef struct Evaluation:
    Arena *arena            # intermediate texts, lists and maps; results may point into it
    root_function root
    void *state


# The result, or an ERROR whose code is an ErrorCode; OUT_OF_MEMORY says that the arena was full, so
# that the request can be decided in the full lane. Never ABSENT for a CEL expression; a selector
# answers ABSENT where its path leads nowhere.
cdef Value evaluate(const Program *program, Evaluation *evaluation) noexcept nogil


cdef class NativeProgram(Unit):
    pass
