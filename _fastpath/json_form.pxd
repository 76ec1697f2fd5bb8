from _fastpath.arena cimport Arena
from _fastpath.value cimport Value


# The value as JSON holds it, see json_form.pyi; an ERROR when it has no such form
# (BAD_CONVERSION) or the arena is full (OUT_OF_MEMORY).
cdef Value json_form(Value value, Arena *arena) noexcept nogil
