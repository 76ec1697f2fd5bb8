"""Results of expressions as JSON values, the form in which success items are kept and sent."""

from libc.math cimport isfinite
from libc.stdint cimport int64_t, uint32_t, uint64_t

from _fastpath.arena cimport Arena
from _fastpath.counted cimport drop
from _fastpath.document cimport Document, build_document, python_value
from _fastpath.text cimport key_text, value_text
from _fastpath.value cimport (
    ABSENT,
    BAD_CONVERSION,
    BOOL,
    BYTES,
    DOUBLE,
    ERROR,
    INT,
    LIST,
    MAP,
    NULL_VALUE,
    OUT_OF_MEMORY,
    SORTED,
    STRING,
    UINT,
    Entry,
    Value,
    compare_text,
    double_value,
    error_value,
    list_value,
    map_value,
    null_value,
)

from libcpp.algorithm cimport sort

from datetime import datetime, timedelta, timezone

# A level of maps costs three nested messages in a Struct, and protobuf reads a hundred.
cdef int LEVELS = 31
MAX_LEVELS = LEVELS

cdef int64_t EXACT = (1 << 53) - 1


cdef bint key_before(const Entry &a, const Entry &b) noexcept nogil:
    return compare_text(a.key.text, a.key.size, b.key.text, b.key.size) < 0


cdef Value list_form(Value value, Arena *arena, int levels) noexcept nogil:
    cdef Value *items = <Value *> arena.take((value.size + 1) * sizeof(Value))
    cdef uint32_t i
    if items == NULL:
        return error_value(OUT_OF_MEMORY)
    for i in range(value.size):
        items[i] = form(value.items[i], arena, levels)
        if items[i].kind == ERROR:
            return items[i]
    return list_value(items, value.size)


cdef Value map_form(Value value, Arena *arena, int levels) noexcept nogil:
    cdef Entry *entries = <Entry *> arena.take((value.size + 1) * sizeof(Entry))
    cdef uint32_t i
    if entries == NULL:
        return error_value(OUT_OF_MEMORY)
    for i in range(value.size):
        entries[i].key = key_text(value.entries[i].key, arena)
        if entries[i].key.kind == ERROR:
            return entries[i].key
        entries[i].value = form(value.entries[i].value, arena, levels)
        if entries[i].value.kind == ERROR:
            return entries[i].value
    if not value.flags & SORTED:
        sort(entries, entries + value.size, &key_before)
    return map_value(entries, value.size, True)


cdef Value form(Value value, Arena *arena, int levels) noexcept nogil:
    if value.kind == STRING or value.kind == BOOL or value.kind == NULL_VALUE:
        return value
    if value.kind == DOUBLE:
        return value if isfinite(value.number) else error_value(BAD_CONVERSION)
    if value.kind == INT:
        if -EXACT <= value.integer <= EXACT:
            return double_value(<double> value.integer)
        return value_text(value, arena)
    if value.kind == UINT:
        if value.natural <= <uint64_t> EXACT:
            return double_value(<double> value.natural)
        return value_text(value, arena)
    if value.kind == BYTES:
        return value_text(value, arena)
    if value.kind == ABSENT:
        return null_value()
    if value.kind == ERROR:
        return value
    if levels == 0:
        return error_value(BAD_CONVERSION)
    if value.kind == LIST:
        return list_form(value, arena, levels - 1)
    if value.kind == MAP:
        return map_form(value, arena, levels - 1)
    return error_value(BAD_CONVERSION)


cdef Value json_form(Value value, Arena *arena) noexcept nogil:
    return form(value, arena, LEVELS)


cdef str fraction(int microseconds):
    """As Go writes it: without the digits that say nothing."""
    return f".{microseconds:06}".rstrip("0").rstrip(".")


cdef str duration_text(object value):
    sign = "-" if value < timedelta() else ""
    value = abs(value)
    return f"{sign}{value.days * 86400 + value.seconds}{fraction(value.microseconds)}s"


cdef object timeless(object value):
    """Times as text; only expressions of the full lane give any."""
    if isinstance(value, datetime):
        value = value.astimezone(timezone.utc)
        return f"{value:%Y-%m-%dT%H:%M:%S}{fraction(value.microsecond)}Z"
    if isinstance(value, timedelta):
        return duration_text(value)
    if isinstance(value, dict):
        return {key: timeless(item) for key, item in value.items()}
    if isinstance(value, list):
        return [timeless(item) for item in value]
    return value


def json_form_of(value):
    """See json_form.pyi."""
    cdef Document *document = build_document(timeless(value), False)
    cdef Arena *arena = new Arena()
    cdef Value result
    try:
        result = json_form(document.root, arena)
        if result.kind == ERROR:
            raise ValueError("the value has no JSON form")
        return python_value(result)
    finally:
        drop(document)
        del arena
