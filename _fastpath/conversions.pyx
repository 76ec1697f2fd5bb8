"""CEL's type conversions, accepting and refusing what cel-cpp does.

Numbers in text follow absl::SimpleAtoi and SimpleAtod: white space around them and a plus sign are
allowed, and doubles may be hexadecimal, `inf` or `nan`.
"""

from libc.stdint cimport INT64_MAX, int64_t, uint32_t, uint64_t

from _fastpath.text cimport cel_double_text, int_text, uint_text
from _fastpath.value cimport (
    BAD_CONVERSION,
    BOOL,
    BYTES,
    DOUBLE,
    INT,
    NO_MATCHING_OVERLOAD,
    OUT_OF_MEMORY,
    OVERFLOW_ERROR,
    STRING,
    UINT,
    bool_value,
    bytes_value,
    compare_text,
    double_value,
    error_value,
    int_value,
    string_value,
    uint_value,
)


cdef extern from "<charconv>" namespace "std" nogil:
    cdef enum chars_format "std::chars_format":
        GENERAL "std::chars_format::general"
        HEX "std::chars_format::hex"
    cdef struct from_chars_result "std::from_chars_result":
        const char *ptr
    from_chars_result read_double "std::from_chars"(
        const char *first, const char *last, double &value, chars_format format)
    from_chars_result read_int "std::from_chars"(
        const char *first, const char *last, int64_t &value)
    from_chars_result read_uint "std::from_chars"(
        const char *first, const char *last, uint64_t &value)


cdef extern from *:
    """
    static inline bool out_of_range(const std::from_chars_result &result) {
        return result.ec != std::errc();
    }
    """
    bint out_of_range(const from_chars_result &result) nogil


cdef double TWO_63 = 9223372036854775808.0
cdef double TWO_64 = 18446744073709551616.0


cdef struct Span:
    const char *first
    const char *last


cdef inline bint _space(char c) noexcept nogil:
    return c == c" " or (c >= 9 and c <= 13)


cdef Span _trimmed(Value value) noexcept nogil:
    cdef Span span
    span.first = value.text
    span.last = value.text + value.size
    while span.first < span.last and _space(span.first[0]):
        span.first += 1
    while span.last > span.first and _space((span.last - 1)[0]):
        span.last -= 1
    return span


cdef Span _unsigned(Value value) noexcept nogil:
    """The text without its plus sign; empty when another sign follows."""
    cdef Span span = _trimmed(value)
    if span.first < span.last and span.first[0] == c"+":
        span.first += 1
        if span.first < span.last and (span.first[0] == c"-" or span.first[0] == c"+"):
            span.last = span.first
    return span


cdef Value to_int(Value value) noexcept nogil:
    cdef Span span
    cdef int64_t number = 0
    cdef from_chars_result result
    if value.kind == STRING:
        span = _unsigned(value)
        result = read_int(span.first, span.last, number)
        if out_of_range(result) or result.ptr != span.last or span.first == span.last:
            return error_value(BAD_CONVERSION)
        return int_value(number)
    if value.kind == INT:
        return value
    if value.kind == UINT:
        if value.natural > <uint64_t> INT64_MAX:
            return error_value(OVERFLOW_ERROR)
        return int_value(<int64_t> value.natural)
    if value.kind == DOUBLE:
        if value.number > -TWO_63 and value.number < TWO_63:
            return int_value(<int64_t> value.number)
        return error_value(OVERFLOW_ERROR)
    if value.kind == BOOL:
        return int_value(1 if value.boolean else 0)
    return error_value(NO_MATCHING_OVERLOAD)


cdef Value to_uint(Value value) noexcept nogil:
    cdef Span span
    cdef uint64_t number = 0
    cdef from_chars_result result
    if value.kind == STRING:
        span = _unsigned(value)
        result = read_uint(span.first, span.last, number)
        if out_of_range(result) or result.ptr != span.last or span.first == span.last:
            return error_value(BAD_CONVERSION)
        return uint_value(number)
    if value.kind == UINT:
        return value
    if value.kind == INT:
        if value.integer < 0:
            return error_value(OVERFLOW_ERROR)
        return uint_value(<uint64_t> value.integer)
    if value.kind == DOUBLE:
        if value.number >= 0 and value.number < TWO_64:
            return uint_value(<uint64_t> value.number)
        return error_value(OVERFLOW_ERROR)
    return error_value(NO_MATCHING_OVERLOAD)


cdef Value _read_double(Value value) noexcept nogil:
    cdef Span span = _unsigned(value)
    cdef const char *digits = span.first
    cdef double number = 0
    cdef bint negative = False
    cdef from_chars_result result
    if digits < span.last and digits[0] == c"-":
        negative = True
        digits += 1
    if span.last - digits > 2 and digits[0] == c"0" and (digits[1] == c"x" or digits[1] == c"X"):
        result = read_double(digits + 2, span.last, number, HEX)
    elif digits < span.last and digits[0] != c"-":
        result = read_double(digits, span.last, number, GENERAL)
    else:
        return error_value(BAD_CONVERSION)
    if result.ptr != span.last:
        return error_value(BAD_CONVERSION)
    if out_of_range(result):
        number = _past_range(digits, span.last)
    return double_value(-number if negative else number)


cdef double _past_range(const char *first, const char *last) noexcept nogil:
    """Infinity or zero, as the sign of the exponent says; from_chars leaves that open."""
    cdef const char *at = first
    cdef bint leading_zero = first < last and first[0] == c"0"
    while at < last:
        if at[0] == c"e" or at[0] == c"E" or at[0] == c"p" or at[0] == c"P":
            at += 1
            return 0.0 if at < last and at[0] == c"-" else 1e308 * 10
        at += 1
    return 0.0 if leading_zero else 1e308 * 10


cdef Value to_double(Value value) noexcept nogil:
    if value.kind == STRING:
        return _read_double(value)
    if value.kind == DOUBLE:
        return value
    if value.kind == INT:
        return double_value(<double> value.integer)
    if value.kind == UINT:
        return double_value(<double> value.natural)
    return error_value(NO_MATCHING_OVERLOAD)


cdef inline bint _is(Value value, const char *text, uint32_t size) noexcept nogil:
    return compare_text(value.text, value.size, text, size) == 0


cdef Value to_bool(Value value) noexcept nogil:
    if value.kind == BOOL:
        return value
    if value.kind != STRING:
        return error_value(NO_MATCHING_OVERLOAD)
    if _is(value, b"true", 4) or _is(value, b"True", 4) or _is(value, b"TRUE", 4):
        return bool_value(True)
    if _is(value, b"t", 1) or _is(value, b"1", 1):
        return bool_value(True)
    if _is(value, b"false", 5) or _is(value, b"False", 5) or _is(value, b"FALSE", 5):
        return bool_value(False)
    if _is(value, b"f", 1) or _is(value, b"0", 1):
        return bool_value(False)
    return error_value(BAD_CONVERSION)


cdef bint _valid_utf8(const unsigned char *at, const unsigned char *end) noexcept nogil:
    cdef int more
    cdef unsigned char lead, low, high
    while at < end:
        lead = at[0]
        at += 1
        if lead < 0x80:
            continue
        if lead < 0xc2 or lead > 0xf4:
            return False
        more = 1 if lead < 0xe0 else (2 if lead < 0xf0 else 3)
        if end - at < more:
            return False
        # The first continuation byte excludes overlong forms, surrogates and what follows U+10FFFF.
        low = 0xa0 if lead == 0xe0 else (0x90 if lead == 0xf0 else 0x80)
        high = 0x9f if lead == 0xed else (0x8f if lead == 0xf4 else 0xbf)
        if at[0] < low or at[0] > high:
            return False
        at += 1
        more -= 1
        while more > 0:
            if at[0] & 0xc0 != 0x80:
                return False
            at += 1
            more -= 1
    return True


cdef Value to_string(Value value, Arena *arena) noexcept nogil:
    if value.kind == STRING:
        return value
    if value.kind == INT:
        return int_text(value.integer, arena)
    if value.kind == UINT:
        return uint_text(value.natural, arena)
    if value.kind == DOUBLE:
        return cel_double_text(value.number, arena)
    if value.kind == BOOL:
        return string_value(b"true", 4) if value.boolean else string_value(b"false", 5)
    if value.kind == BYTES:
        if not _valid_utf8(<const unsigned char *> value.text,
                           <const unsigned char *> value.text + value.size):
            return error_value(BAD_CONVERSION)
        return string_value(value.text, value.size)
    return error_value(NO_MATCHING_OVERLOAD)


cdef Value to_bytes(Value value) noexcept nogil:
    if value.kind == BYTES:
        return value
    if value.kind == STRING:
        return bytes_value(value.text, value.size)
    return error_value(NO_MATCHING_OVERLOAD)


cdef Value fold_case(Value value, bint upper, Arena *arena) noexcept nogil:
    cdef char first = c"a" if upper else c"A"
    cdef char *text
    cdef char c
    cdef uint32_t i
    if value.kind != STRING:
        return error_value(NO_MATCHING_OVERLOAD)
    text = <char *> arena.take(<size_t> value.size + 1)
    if text == NULL:
        return error_value(OUT_OF_MEMORY)
    for i in range(value.size):
        c = value.text[i]
        text[i] = <char> (c ^ 32) if c >= first and c <= first + 25 else c
    return string_value(text, value.size)
