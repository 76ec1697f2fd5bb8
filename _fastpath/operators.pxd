from _fastpath.arena cimport Arena
from _fastpath.value cimport Value


cdef enum Order:
    ORDER_LESS = -1
    ORDER_EQUAL = 0
    ORDER_GREATER = 1
    ORDER_NONE = 2          # NaN
    ORDER_REFUSED = 3       # the kinds have no order


# CEL's heterogeneous equality: numbers by value, other kinds only with their own.
cdef bint equals(Value a, Value b) noexcept nogil
cdef Order compare(Value a, Value b) noexcept nogil
cdef Order compare_numbers(Value a, Value b) noexcept nogil
cdef Value add(Value a, Value b, Arena *arena) noexcept nogil
cdef Value arithmetic(int sign, Value a, Value b) noexcept nogil
cdef Value negate(Value a) noexcept nogil
cdef Value index(Value container, Value key) noexcept nogil
cdef Value optional_index(Value container, Value key) noexcept nogil
cdef Value membership(Value item, Value container) noexcept nogil
cdef Value length(Value value) noexcept nogil
