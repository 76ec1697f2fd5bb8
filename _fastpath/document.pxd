from _fastpath.counted cimport Counted
from _fastpath.handler cimport Unit
from _fastpath.value cimport Value


cdef extern from "document.hpp" namespace "tollhouse" nogil:
    cdef cppclass Document(Counted):
        Value root
        char *memory
        size_t size


cdef class NativeDocument(Unit):
    pass


# A new reference to a document holding `value`; raises ValueError as NativeDocument does.
cdef Document *build_document(object value, bint numbers_as_double) except NULL

# The Python object of a value: None for null and an absent optional, ValueError for an error.
cdef object python_value(Value value)
