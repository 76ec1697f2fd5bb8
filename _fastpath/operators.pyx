"""CEL's operators over native values, as cel-cpp's runtime defines them.

Operands are neither errors nor absent. Numbers of different kinds compare by value, an integer
against a double after rounding to double, which is what cel-cpp does.
"""

from libc.stdint cimport INT64_MAX, INT64_MIN, int64_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy

from _fastpath.value cimport (
    BOOL,
    BYTES,
    DIVIDE_BY_ZERO,
    DOUBLE,
    INDEX_OUT_OF_RANGE,
    INT,
    LIST,
    MAP,
    NO_MATCHING_OVERLOAD,
    NO_SUCH_KEY,
    NULL_VALUE,
    OUT_OF_MEMORY,
    OVERFLOW_ERROR,
    SORTED,
    STRING,
    UINT,
    absent_value,
    bool_value,
    bytes_value,
    compare_text,
    double_value,
    error_value,
    int_value,
    list_value,
    map_get,
    string_value,
    uint_value,
)


cdef extern from * nogil:
    bint add_overflows "__builtin_add_overflow"(int64_t a, int64_t b, int64_t *out)
    bint sub_overflows "__builtin_sub_overflow"(int64_t a, int64_t b, int64_t *out)
    bint mul_overflows "__builtin_mul_overflow"(int64_t a, int64_t b, int64_t *out)
    bint uadd_overflows "__builtin_add_overflow"(uint64_t a, uint64_t b, uint64_t *out)
    bint usub_overflows "__builtin_sub_overflow"(uint64_t a, uint64_t b, uint64_t *out)
    bint umul_overflows "__builtin_mul_overflow"(uint64_t a, uint64_t b, uint64_t *out)


cdef double TWO_63 = 9223372036854775808.0
cdef double TWO_64 = 18446744073709551616.0


cdef Order _order_doubles(double a, double b) noexcept nogil:
    if a < b:
        return ORDER_LESS
    if a > b:
        return ORDER_GREATER
    return ORDER_EQUAL if a == b else ORDER_NONE


cdef Order _double_with_integer(double a, Value b) noexcept nogil:
    if b.kind == INT:
        if a > TWO_63:
            return ORDER_GREATER
        if a < -TWO_63:
            return ORDER_LESS
        return _order_doubles(a, <double> b.integer)
    if a > TWO_64:
        return ORDER_GREATER
    if a < 0:
        return ORDER_LESS
    return _order_doubles(a, <double> b.natural)


cdef Order _invert(Order order) noexcept nogil:
    if order == ORDER_LESS:
        return ORDER_GREATER
    return ORDER_LESS if order == ORDER_GREATER else order


cdef Order compare_numbers(Value a, Value b) noexcept nogil:
    if a.kind == DOUBLE:
        if b.kind == DOUBLE:
            return _order_doubles(a.number, b.number)
        return _double_with_integer(a.number, b)
    if b.kind == DOUBLE:
        return _invert(_double_with_integer(b.number, a))
    if a.kind == INT and b.kind == INT:
        if a.integer == b.integer:
            return ORDER_EQUAL
        return ORDER_LESS if a.integer < b.integer else ORDER_GREATER
    if a.kind == INT and a.integer < 0:
        return ORDER_LESS
    if b.kind == INT and b.integer < 0:
        return ORDER_GREATER
    # Both are not negative, where the two integer kinds have the same bits.
    if a.natural == b.natural:
        return ORDER_EQUAL
    return ORDER_LESS if a.natural < b.natural else ORDER_GREATER


cdef inline bint _is_number(Value value) noexcept nogil:
    return value.kind == INT or value.kind == UINT or value.kind == DOUBLE


cdef Order compare(Value a, Value b) noexcept nogil:
    cdef int order
    if _is_number(a) and _is_number(b):
        return compare_numbers(a, b)
    if a.kind != b.kind:
        return ORDER_REFUSED
    if a.kind == STRING or a.kind == BYTES:
        order = compare_text(a.text, a.size, b.text, b.size)
        return ORDER_LESS if order < 0 else (ORDER_GREATER if order > 0 else ORDER_EQUAL)
    if a.kind == BOOL:
        if a.boolean == b.boolean:
            return ORDER_EQUAL
        return ORDER_GREATER if a.boolean else ORDER_LESS
    return ORDER_REFUSED


cdef bint equals(Value a, Value b) noexcept nogil:
    cdef uint32_t i
    if a.kind != b.kind:
        return _is_number(a) and _is_number(b) and compare_numbers(a, b) == ORDER_EQUAL
    if a.kind == STRING or a.kind == BYTES:
        return a.size == b.size and (a.size == 0 or memcmp(a.text, b.text, a.size) == 0)
    if a.kind == INT:
        return a.integer == b.integer
    if a.kind == UINT:
        return a.natural == b.natural
    if a.kind == DOUBLE:
        return a.number == b.number
    if a.kind == BOOL:
        return a.boolean == b.boolean
    if a.kind == NULL_VALUE:
        return True
    if a.size != b.size:
        return False
    if a.kind == LIST:
        for i in range(a.size):
            if not equals(a.items[i], b.items[i]):
                return False
        return True
    return _equal_maps(a, b)


cdef bint _equal_maps(Value a, Value b) noexcept nogil:
    cdef uint32_t i
    cdef const Value *other
    cdef bint aligned = (a.flags & SORTED) != 0 and (b.flags & SORTED) != 0
    for i in range(a.size):
        if aligned:
            if not equals(a.entries[i].key, b.entries[i].key):
                return False
            other = &b.entries[i].value
        else:
            other = _find(b, a.entries[i].key)
            if other == NULL:
                return False
        if not equals(a.entries[i].value, other[0]):
            return False
    return True


cdef const Value *_exact(Value map, Value key) noexcept nogil:
    """The value under a key of the same kind, which is no double."""
    cdef uint32_t i = map.size
    if key.kind == STRING:
        return map_get(map, key.text, key.size)
    if map.flags & SORTED:
        return NULL
    while i > 0:
        i -= 1
        if map.entries[i].key.kind == key.kind and equals(map.entries[i].key, key):
            return &map.entries[i].value
    return NULL


cdef const Value *_find(Value map, Value key) noexcept nogil:
    """The value under a key equal to `key`; a uint looks for its own kind first."""
    cdef const Value *found
    if not _is_number(key):
        return _exact(map, key)
    if key.kind == UINT:
        found = _exact(map, key)
        if found != NULL:
            return found
    cdef Value integer = _as_int(key)
    if integer.kind == INT:
        found = _exact(map, integer)
        if found != NULL:
            return found
    integer = _as_uint(key)
    return _exact(map, integer) if integer.kind == UINT else NULL


cdef Value _as_int(Value number) noexcept nogil:
    """The number as INT when that is exact, else a value of another kind."""
    if number.kind == UINT and number.natural <= <uint64_t> INT64_MAX:
        return int_value(<int64_t> number.natural)
    if number.kind == DOUBLE and number.number >= -TWO_63 and number.number < TWO_63:
        if <double> <int64_t> number.number == number.number:
            return int_value(<int64_t> number.number)
    return number


cdef Value _as_uint(Value number) noexcept nogil:
    if number.kind == INT and number.integer >= 0:
        return uint_value(<uint64_t> number.integer)
    if number.kind == DOUBLE and number.number >= 0 and number.number < TWO_64:
        if <double> <uint64_t> number.number == number.number:
            return uint_value(<uint64_t> number.number)
    return number


cdef Value index(Value container, Value key) noexcept nogil:
    cdef const Value *found
    if container.kind == MAP:
        if key.kind != STRING and key.kind != BOOL and not _is_number(key):
            return error_value(NO_MATCHING_OVERLOAD)
        found = _find(container, key)
        return error_value(NO_SUCH_KEY) if found == NULL else found[0]
    if container.kind != LIST:
        return error_value(NO_MATCHING_OVERLOAD)
    key = _as_int(key)
    if key.kind != INT:
        return error_value(NO_MATCHING_OVERLOAD)
    if key.integer < 0 or key.integer >= <int64_t> container.size:
        return error_value(INDEX_OUT_OF_RANGE)
    return container.items[key.integer]


cdef Value optional_index(Value container, Value key) noexcept nogil:
    cdef const Value *found
    if container.kind == MAP:
        if key.kind != STRING and key.kind != BOOL and not _is_number(key):
            return absent_value()
        found = _find(container, key)
        return absent_value() if found == NULL else found[0]
    if container.kind == LIST and key.kind == INT:
        if key.integer < 0 or key.integer >= <int64_t> container.size:
            return absent_value()
        return container.items[key.integer]
    return error_value(NO_MATCHING_OVERLOAD)


cdef Value membership(Value item, Value container) noexcept nogil:
    cdef uint32_t i
    if container.kind == LIST:
        for i in range(container.size):
            if equals(item, container.items[i]):
                return bool_value(True)
        return bool_value(False)
    if container.kind != MAP:
        return error_value(NO_MATCHING_OVERLOAD)
    if item.kind == STRING or item.kind == BOOL or _is_number(item):
        return bool_value(_find(container, item) != NULL)
    return error_value(NO_MATCHING_OVERLOAD)


cdef Value _joined(Value a, Value b, Arena *arena) noexcept nogil:
    cdef uint64_t size = <uint64_t> a.size + b.size
    cdef char *text
    if size > <uint64_t> 0xffffffff:
        return error_value(OUT_OF_MEMORY)
    text = <char *> arena.take(size + 1)
    if text == NULL:
        return error_value(OUT_OF_MEMORY)
    if a.size:
        memcpy(text, a.text, a.size)
    if b.size:
        memcpy(text + a.size, b.text, b.size)
    if a.kind == STRING:
        return string_value(text, <uint32_t> size)
    return bytes_value(text, <uint32_t> size)


cdef Value _chained(Value a, Value b, Arena *arena) noexcept nogil:
    cdef uint64_t size = <uint64_t> a.size + b.size
    cdef Value *items
    if size > <uint64_t> 0xfffffff:
        return error_value(OUT_OF_MEMORY)
    items = <Value *> arena.take(size * sizeof(Value) + 1)
    if items == NULL:
        return error_value(OUT_OF_MEMORY)
    if a.size:
        memcpy(items, a.items, a.size * sizeof(Value))
    if b.size:
        memcpy(items + a.size, b.items, b.size * sizeof(Value))
    return list_value(items, <uint32_t> size)


cdef Value add(Value a, Value b, Arena *arena) noexcept nogil:
    if a.kind != b.kind:
        return error_value(NO_MATCHING_OVERLOAD)
    if a.kind == STRING or a.kind == BYTES:
        return _joined(a, b, arena)
    if a.kind == LIST:
        return _chained(a, b, arena)
    return arithmetic(c"+", a, b)


cdef Value arithmetic(int sign, Value a, Value b) noexcept nogil:
    if a.kind != b.kind:
        return error_value(NO_MATCHING_OVERLOAD)
    if a.kind == INT:
        return _int_arithmetic(sign, a.integer, b.integer)
    if a.kind == UINT:
        return _uint_arithmetic(sign, a.natural, b.natural)
    if a.kind != DOUBLE or sign == c"%":
        return error_value(NO_MATCHING_OVERLOAD)
    if sign == c"+":
        return double_value(a.number + b.number)
    if sign == c"-":
        return double_value(a.number - b.number)
    if sign == c"*":
        return double_value(a.number * b.number)
    return double_value(a.number / b.number)


cdef Value _int_arithmetic(int sign, int64_t a, int64_t b) noexcept nogil:
    cdef int64_t out = 0
    cdef bint over
    if sign == c"+":
        over = add_overflows(a, b, &out)
    elif sign == c"-":
        over = sub_overflows(a, b, &out)
    elif sign == c"*":
        over = mul_overflows(a, b, &out)
    else:
        if b == 0:
            return error_value(DIVIDE_BY_ZERO)
        over = a == INT64_MIN and b == -1
        if not over:
            out = a / b if sign == c"/" else a % b
    return error_value(OVERFLOW_ERROR) if over else int_value(out)


cdef Value _uint_arithmetic(int sign, uint64_t a, uint64_t b) noexcept nogil:
    cdef uint64_t out = 0
    cdef bint over = False
    if sign == c"+":
        over = uadd_overflows(a, b, &out)
    elif sign == c"-":
        over = usub_overflows(a, b, &out)
    elif sign == c"*":
        over = umul_overflows(a, b, &out)
    elif b == 0:
        return error_value(DIVIDE_BY_ZERO)
    else:
        out = a / b if sign == c"/" else a % b
    return error_value(OVERFLOW_ERROR) if over else uint_value(out)


cdef Value negate(Value a) noexcept nogil:
    if a.kind == DOUBLE:
        return double_value(-a.number)
    if a.kind != INT:
        return error_value(NO_MATCHING_OVERLOAD)
    return error_value(OVERFLOW_ERROR) if a.integer == INT64_MIN else int_value(-a.integer)


cdef Value length(Value value) noexcept nogil:
    cdef uint32_t i, points = 0
    if value.kind == STRING:
        for i in range(value.size):
            points += (<unsigned char> value.text[i] & 0xc0) != 0x80
        return int_value(points)
    if value.kind == BYTES or value.kind == LIST or value.kind == MAP:
        return int_value(value.size)
    return error_value(NO_MATCHING_OVERLOAD)
