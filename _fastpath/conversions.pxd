from _fastpath.arena cimport Arena
from _fastpath.value cimport Value

# CEL's type conversions; the operand is neither an error nor absent.
cdef Value to_int(Value value) noexcept nogil
cdef Value to_uint(Value value) noexcept nogil
cdef Value to_double(Value value) noexcept nogil
cdef Value to_bool(Value value) noexcept nogil
cdef Value to_string(Value value, Arena *arena) noexcept nogil
cdef Value to_bytes(Value value) noexcept nogil

# lowerAscii, upperAscii
cdef Value fold_case(Value value, bint upper, Arena *arena) noexcept nogil
