"""CEL's string extensions: split, replace, substring, indexOf, charAt and trim.

Positions count code points. Text is valid UTF-8, as everything is that a program reads.
"""

from libc.stdint cimport INT64_MAX, int64_t, uint32_t, uint64_t
from libc.string cimport memcpy

from _fastpath.value cimport (
    INT,
    NO_MATCHING_OVERLOAD,
    OTHER_ERROR,
    OUT_OF_MEMORY,
    STRING,
    error_value,
    int_value,
    list_value,
    string_value,
)


cdef extern from "<string.h>" nogil:
    void *memmem(const void *text, size_t size, const void *part, size_t part_size)


cdef const char *_NOTHING = b""


cdef const char *find_text(const char *text, size_t size, Value part) noexcept nogil:
    """Where `part`, if not empty, begins in the text, in linear time; NULL: it is not there."""
    if part.size == 0:
        return _NOTHING
    return <const char *> memmem(text, size, part.text, part.size) if size else NULL


cdef inline size_t _width(const char *at) noexcept nogil:
    """Bytes of the code point that begins here."""
    cdef unsigned char lead = <unsigned char> at[0]
    return 1 if lead < 0x80 else (2 if lead < 0xe0 else (3 if lead < 0xf0 else 4))


cdef int64_t _points(const char *at, const char *end) noexcept nogil:
    cdef int64_t count = 0
    while at < end:
        count += (<unsigned char> at[0] & 0xc0) != 0x80
        at += 1
    return count


cdef const char *_skip(const char *at, const char *end, int64_t points) noexcept nogil:
    """The place `points` further on; NULL when the text ends before."""
    while points > 0 and at < end:
        at += _width(at)
        points -= 1
    return at if points == 0 else NULL


cdef Value _split(Value text, Value separator, int64_t limit, Arena *arena) noexcept nogil:
    cdef const char *at = text.text
    cdef const char *end = text.text + text.size
    cdef const char *hit
    # A piece takes at least one byte of the text, but for the last.
    cdef Value *pieces
    cdef uint32_t count = 0
    if limit == 0:
        return list_value(NULL, 0)
    pieces = <Value *> arena.take((<size_t> text.size + 1) * sizeof(Value))
    if pieces == NULL:
        return error_value(OUT_OF_MEMORY)
    if limit < 0:
        limit = INT64_MAX
    while at < end and limit > 1:
        hit = at + _width(at) if separator.size == 0 else find_text(
            at, <size_t> (end - at), separator)
        if hit == NULL:
            break
        pieces[count] = string_value(at, <uint32_t> (hit - at))
        count += 1
        at = hit + separator.size
        limit -= 1
    if count == 0 or separator.size or at < end:
        pieces[count] = string_value(at, <uint32_t> (end - at))
        count += 1
    return list_value(pieces, count)


cdef Value _replace(
    Value text, Value old, Value new, int64_t limit, Arena *arena
) noexcept nogil:
    cdef const char *at = text.text
    cdef const char *end = text.text + text.size
    cdef const char *hit
    cdef size_t occurrences = 0, size
    cdef int64_t left = INT64_MAX if limit < 0 else limit
    cdef char *start
    cdef char *out
    if limit == 0:
        return text
    if old.size == 0:
        occurrences = <size_t> _points(at, end) + 1
    else:
        while at < end:
            hit = find_text(at, <size_t> (end - at), old)
            if hit == NULL:
                break
            occurrences += 1
            at = hit + old.size
    if <uint64_t> occurrences > <uint64_t> left:
        occurrences = <size_t> left
    size = text.size + occurrences * new.size - occurrences * old.size
    start = out = <char *> arena.take(size + 1)
    if start == NULL or size > <size_t> 0xffffffff:
        return error_value(OUT_OF_MEMORY)
    at = text.text
    while occurrences > 0:
        hit = at if old.size == 0 else find_text(at, <size_t> (end - at), old)
        out = _put(out, at, <size_t> (hit - at))
        out = _put(out, new.text, new.size)
        at = hit + old.size
        if old.size == 0 and at < end:
            out = _put(out, at, _width(at))
            at += _width(at)
        occurrences -= 1
    out = _put(out, at, <size_t> (end - at))
    return string_value(start, <uint32_t> (out - start))


cdef inline char *_put(char *out, const char *text, size_t size) noexcept nogil:
    if size:
        memcpy(out, text, size)
    return out + size


cdef Value _substring(Value text, int64_t start, const Value *until) noexcept nogil:
    cdef const char *end = text.text + text.size
    cdef const char *first
    cdef const char *last = end
    if start < 0 or (until != NULL and until.integer < start):
        return error_value(OTHER_ERROR)
    first = _skip(text.text, end, start)
    if first != NULL and until != NULL:
        last = _skip(first, end, until.integer - start)
    if first == NULL or last == NULL:
        return error_value(OTHER_ERROR)
    return string_value(first, <uint32_t> (last - first))


cdef Value _char_at(Value text, int64_t position) noexcept nogil:
    cdef const char *end = text.text + text.size
    cdef const char *at
    if position < 0:
        return error_value(OTHER_ERROR)
    at = _skip(text.text, end, position)
    if at == NULL:
        return error_value(OTHER_ERROR)
    return string_value(at, 0 if at == end else <uint32_t> _width(at))


cdef bint _is_space(const char *at) noexcept nogil:
    """Whether a code point of Unicode's White_Space begins here."""
    cdef const unsigned char *raw = <const unsigned char *> at
    cdef uint32_t point
    if raw[0] < 0x80:
        return raw[0] == 32 or (raw[0] >= 9 and raw[0] <= 13)
    if raw[0] < 0xe0:
        return raw[0] == 0xc2 and (raw[1] == 0x85 or raw[1] == 0xa0)
    if raw[0] >= 0xf0:
        return False
    point = (<uint32_t> raw[0] & 15) << 12 | (<uint32_t> raw[1] & 63) << 6 | (raw[2] & 63)
    return point in (0x1680, 0x2028, 0x2029, 0x202f, 0x205f, 0x3000) or (
        point >= 0x2000 and point <= 0x200a)


cdef Value _trim(Value text) noexcept nogil:
    cdef const char *at = text.text
    cdef const char *end = text.text + text.size
    cdef const char *last
    while at < end and _is_space(at):
        at += _width(at)
    last = at
    text.text = at
    while at < end:
        if not _is_space(at):
            last = at + _width(at)
        at += _width(at)
    return string_value(text.text, <uint32_t> (last - text.text))


cdef Value text_function(
    TextFunction function, const Value *arguments, uint32_t count, Arena *arena
) noexcept nogil:
    cdef Value text = arguments[0]
    cdef const char *found
    cdef uint32_t i
    # Texts come first; a position or limit is last.
    cdef uint32_t texts = 3 if function == REPLACE else (
        2 if function == SPLIT or function == INDEX_OF else 1)
    for i in range(count):
        if arguments[i].kind != (STRING if i < texts else INT):
            return error_value(NO_MATCHING_OVERLOAD)
    if function == SPLIT:
        return _split(text, arguments[1], arguments[2].integer if count > 2 else -1, arena)
    if function == REPLACE:
        return _replace(
            text, arguments[1], arguments[2], arguments[3].integer if count > 3 else -1, arena)
    if function == SUBSTRING:
        return _substring(text, arguments[1].integer, &arguments[2] if count > 2 else NULL)
    if function == CHAR_AT:
        return _char_at(text, arguments[1].integer)
    if function == TRIM:
        return _trim(text)
    if arguments[1].size == 0:
        return int_value(0)
    found = find_text(text.text, text.size, arguments[1])
    return int_value(-1) if found == NULL else int_value(_points(text.text, found))
