from _fastpath.arena cimport Arena
from _fastpath.value cimport Value

# Every writer answers a STRING in the arena (or inside the value), or an ERROR: BAD_CONVERSION
# where the value has no such text, OUT_OF_MEMORY when the arena is at its bound.

# Text of a header, message or pattern operand: strings as they stand, null and absent empty,
# numbers without exponent, bytes as base64, lists and maps as value_json with Go's escapes.
cdef Value value_text(Value value, Arena *arena) noexcept nogil

# Compact JSON, map keys sorted by bytes. go_escapes: \u003c \u003e \u0026 \u2028 \u2029.
cdef Value value_json(Value value, Arena *arena, bint go_escapes) noexcept nogil

# Part of a counter key: strings as they stand, numbers without exponent, true, false, null.
cdef Value key_text(Value value, Arena *arena) noexcept nogil

# What CEL's string() makes of a double: shortest digits in the style of C's %g.
cdef Value cel_double_text(double number, Arena *arena) noexcept nogil

# What CEL's string() makes of an integer.
cdef Value int_text(long long number, Arena *arena) noexcept nogil
cdef Value uint_text(unsigned long long number, Arena *arena) noexcept nogil
