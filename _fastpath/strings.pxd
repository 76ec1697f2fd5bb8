from libc.stdint cimport uint32_t

from _fastpath.arena cimport Arena
from _fastpath.value cimport Value


cdef enum TextFunction:
    SPLIT, REPLACE, SUBSTRING, INDEX_OF, CHAR_AT, TRIM


# A string extension over the text and its arguments, none of them an error or absent.
cdef Value text_function(
    TextFunction function, const Value *arguments, uint32_t count, Arena *arena) noexcept nogil
cdef const char *find_text(const char *text, size_t size, Value part) noexcept nogil
