"""Texts of values: stringification, JSON and counter keys, for both lanes."""

from libc.stdint cimport int64_t, uint32_t
from libc.string cimport memcpy, memset
from libcpp.algorithm cimport sort

from _fastpath.counted cimport Counted, drop
from _fastpath.document cimport Document, build_document, python_value
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
    compare_text,
    error_value,
    string_value,
)


cdef extern from "<charconv>" namespace "std" nogil:
    cdef enum chars_format "std::chars_format":
        SCIENTIFIC "std::chars_format::scientific"
    cdef struct to_chars_result "std::to_chars_result":
        char *ptr
    to_chars_result to_chars(char *first, char *last, double value, chars_format format)
    to_chars_result write_signed "std::to_chars"(char *first, char *last, long long value)
    to_chars_result write_unsigned "std::to_chars"(
        char *first, char *last, unsigned long long value)


cdef extern from "<cmath>" namespace "std" nogil:
    bint isnan(double value)
    bint isinf(double value)
    bint signbit(double value)


cdef enum:
    NUMBER_SIZE = 400       # the longest double without exponent takes 345
    JSON_DEPTH = 512        # programs nest at most 250 levels over documents of at most 128

cdef int64_t MAX_EXACT = (1 << 53) - 1


cdef struct Decimal:
    bint negative
    char digits[20]
    int count
    int exponent            # of ten, of the first digit


cdef struct Buffer:
    Arena *arena
    char *at
    size_t size
    size_t capacity
    bint go_escapes
    bint full               # the arena is at its bound
    bint unwritable         # a part has no JSON


cdef Decimal _shortest(double number) noexcept nogil:
    """The fewest digits that read back as `number`, which is finite."""
    cdef char raw[40]
    cdef char *end = to_chars(raw, raw + sizeof(raw), number, SCIENTIFIC).ptr
    cdef char *at = raw
    cdef Decimal decimal
    cdef bint below = False
    decimal.negative = at[0] == b"-"
    decimal.count = decimal.exponent = 0
    if decimal.negative:
        at += 1
    while at < end and at[0] != b"e":
        if at[0] != b".":
            decimal.digits[decimal.count] = at[0]
            decimal.count += 1
        at += 1
    at += 1
    if at < end and (at[0] == b"-" or at[0] == b"+"):
        below = at[0] == b"-"
        at += 1
    while at < end:
        decimal.exponent = decimal.exponent * 10 + (at[0] - c"0")
        at += 1
    if below:
        decimal.exponent = -decimal.exponent
    return decimal


cdef int _positional(const Decimal *decimal, char *out) noexcept nogil:
    """Digits without exponent, as Rust and Go's 'f' print a float."""
    cdef int size = 0, zeros = 0, whole
    if decimal.negative:
        out[0] = c"-"
        size = 1
    if decimal.exponent < 0:
        out[size] = c"0"
        out[size + 1] = c"."
        size += 2
        zeros = -decimal.exponent - 1
        memset(out + size, c"0", zeros)
        size += zeros
        memcpy(out + size, decimal.digits, decimal.count)
        return size + decimal.count
    whole = decimal.exponent + 1
    if decimal.count <= whole:
        memcpy(out + size, decimal.digits, decimal.count)
        size += decimal.count
        memset(out + size, c"0", whole - decimal.count)
        return size + whole - decimal.count
    memcpy(out + size, decimal.digits, whole)
    size += whole
    out[size] = c"."
    size += 1
    memcpy(out + size, decimal.digits + whole, decimal.count - whole)
    return size + decimal.count - whole


cdef int _scientific(const Decimal *decimal, char *out, bint two_digits) noexcept nogil:
    """d.ddde+xx; `two_digits` pads the exponent as C does, Go's JSON encoder drops a leading 0."""
    cdef int size = 0, exponent = decimal.exponent
    if decimal.negative:
        out[0] = c"-"
        size = 1
    out[size] = decimal.digits[0]
    size += 1
    if decimal.count > 1:
        out[size] = c"."
        memcpy(out + size + 1, decimal.digits + 1, decimal.count - 1)
        size += decimal.count
    out[size] = c"e"
    out[size + 1] = c"-" if exponent < 0 else c"+"
    size += 2
    if exponent < 0:
        exponent = -exponent
    if exponent < 10 and two_digits:
        out[size] = c"0"
        size += 1
    return size + <int> (write_signed(out + size, out + size + 8, exponent).ptr - (out + size))


cdef Value _in_arena(const char *text, size_t size, Arena *arena) noexcept nogil:
    cdef char *copy = <char *> arena.take(size)
    if copy == NULL:
        return error_value(OUT_OF_MEMORY)
    memcpy(copy, text, size)
    return string_value(copy, <uint32_t> size)


cdef Value int_text(long long number, Arena *arena) noexcept nogil:
    cdef char raw[24]
    return _in_arena(raw, write_signed(raw, raw + sizeof(raw), number).ptr - raw, arena)


cdef Value uint_text(unsigned long long number, Arena *arena) noexcept nogil:
    cdef char raw[24]
    return _in_arena(raw, write_unsigned(raw, raw + sizeof(raw), number).ptr - raw, arena)


cdef Value cel_double_text(double number, Arena *arena) noexcept nogil:
    cdef char raw[NUMBER_SIZE]
    cdef Decimal decimal
    cdef int size
    if isnan(number):
        return string_value(b"-nan", 4) if signbit(number) else string_value(b"nan", 3)
    if isinf(number):
        return string_value(b"-inf", 4) if number < 0 else string_value(b"inf", 3)
    decimal = _shortest(number)
    # %g's bounds for a precision of six, which cel-cpp keeps although it prints every digit.
    if decimal.exponent < -4 or decimal.exponent >= 6:
        size = _scientific(&decimal, raw, True)
    else:
        size = _positional(&decimal, raw)
    return _in_arena(raw, <size_t> size, arena)


cdef Value _plain_double(double number, Arena *arena) noexcept nogil:
    cdef char raw[NUMBER_SIZE]
    cdef Decimal decimal = _shortest(number)
    return _in_arena(raw, <size_t> _positional(&decimal, raw), arena)


cdef Value key_text(Value value, Arena *arena) noexcept nogil:
    if value.kind == STRING:
        return value
    if value.kind == INT:
        return int_text(value.integer, arena)
    if value.kind == UINT:
        return uint_text(value.natural, arena)
    if value.kind == BOOL:
        return string_value(b"true", 4) if value.boolean else string_value(b"false", 5)
    if value.kind == NULL_VALUE:
        return string_value(b"null", 4)
    if value.kind == ERROR:
        return value
    if value.kind != DOUBLE:
        return error_value(BAD_CONVERSION)
    if isnan(value.number):
        return string_value(b"NaN", 3)
    if isinf(value.number):
        return string_value(b"-inf", 4) if value.number < 0 else string_value(b"inf", 3)
    return _plain_double(value.number, arena)


cdef Value value_text(Value value, Arena *arena) noexcept nogil:
    if value.kind == STRING:
        return value
    if value.kind == NULL_VALUE or value.kind == ABSENT:
        return string_value(b"", 0)
    if value.kind == LIST or value.kind == MAP:
        return value_json(value, arena, True)
    if value.kind == BYTES:
        return _base64(value, arena)
    if value.kind == DOUBLE and (isnan(value.number) or isinf(value.number)):
        return error_value(BAD_CONVERSION)
    return key_text(value, arena)


cdef void _put(Buffer *buffer, const char *text, size_t size) noexcept nogil:
    cdef size_t capacity
    cdef char *wider
    if buffer.size + size > buffer.capacity:
        capacity = buffer.capacity * 2 if buffer.capacity else 256
        while capacity < buffer.size + size:
            capacity *= 2
        wider = <char *> buffer.arena.take(capacity)
        if wider == NULL:
            buffer.full = True
            return
        if buffer.size:
            memcpy(wider, buffer.at, buffer.size)
        buffer.at = wider
        buffer.capacity = capacity
    memcpy(buffer.at + buffer.size, text, size)
    buffer.size += size


cdef const char *_ALPHABET = \
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
cdef const char *_HEX = b"0123456789abcdef"


cdef Value _base64(Value value, Arena *arena) noexcept nogil:
    cdef const unsigned char *raw = <const unsigned char *> value.text
    cdef size_t i = 0, size = value.size
    cdef uint32_t group
    cdef char *start = <char *> arena.take((size + 2) // 3 * 4 + 1)
    cdef char *out = start
    if start == NULL:
        return error_value(OUT_OF_MEMORY)
    while i < size:
        group = <uint32_t> raw[i] << 16
        if i + 1 < size:
            group |= <uint32_t> raw[i + 1] << 8
        if i + 2 < size:
            group |= raw[i + 2]
        out[0] = _ALPHABET[group >> 18]
        out[1] = _ALPHABET[(group >> 12) & 63]
        out[2] = _ALPHABET[(group >> 6) & 63] if i + 1 < size else c"="
        out[3] = _ALPHABET[group & 63] if i + 2 < size else c"="
        out += 4
        i += 3
    return string_value(start, <uint32_t> (out - start))


cdef bint _separator(const char *text, size_t left) noexcept nogil:
    """U+2028 or U+2029."""
    return left >= 3 and text[0] == <char> 0xe2 and text[1] == <char> 0x80 and (
        text[2] == <char> 0xa8 or text[2] == <char> 0xa9)


cdef void _escape(Buffer *buffer, unsigned char c) noexcept nogil:
    cdef char code[6]
    cdef char short_form = 0
    if c == c"\n":
        short_form = c"n"
    elif c == c"\r":
        short_form = c"r"
    elif c == c"\t":
        short_form = c"t"
    elif c == 8:
        short_form = c"b"
    elif c == 12:
        short_form = c"f"
    elif c == c'"' or c == c"\\":
        short_form = <char> c
    code[0] = c"\\"
    if short_form:
        code[1] = short_form
        _put(buffer, code, 2)
        return
    memcpy(code + 1, b"u00", 3)
    code[4] = _HEX[c >> 4]
    code[5] = _HEX[c & 15]
    _put(buffer, code, 6)


cdef void _quote(Buffer *buffer, Value value) noexcept nogil:
    cdef size_t start = 0, i = 0, size = value.size
    cdef unsigned char c
    _put(buffer, b'"', 1)
    while i < size:
        c = <unsigned char> value.text[i]
        if c < 32 or c == c'"' or c == c"\\" or (
                buffer.go_escapes and (c == c"<" or c == c">" or c == c"&")):
            _put(buffer, value.text + start, i - start)
            _escape(buffer, c)
            start = i + 1
        elif buffer.go_escapes and _separator(value.text + i, size - i):
            _put(buffer, value.text + start, i - start)
            _put(buffer, b"\\u2028" if value.text[i + 2] == <char> 0xa8 else b"\\u2029", 6)
            i += 2
            start = i + 1
        i += 1
    _put(buffer, value.text + start, size - start)
    _put(buffer, b'"', 1)


cdef void _json_double(Buffer *buffer, double number) noexcept nogil:
    cdef char raw[NUMBER_SIZE]
    cdef Decimal decimal
    cdef int size
    if isnan(number) or isinf(number):
        buffer.unwritable = True
        return
    decimal = _shortest(number)
    if number != 0 and (decimal.exponent < -6 or decimal.exponent >= 21):
        size = _scientific(&decimal, raw, False)
    else:
        size = _positional(&decimal, raw)
    _put(buffer, raw, <size_t> size)


cdef bint _key_before(const Entry &a, const Entry &b) noexcept nogil:
    return compare_text(a.key.text, a.key.size, b.key.text, b.key.size) < 0


cdef Entry *_sorted_entries(Buffer *buffer, Value map) noexcept nogil:
    """The entries with text keys, in order; NULL when the arena is full."""
    cdef Entry *entries = <Entry *> buffer.arena.take(map.size * sizeof(Entry) + 1)
    cdef uint32_t i
    if entries == NULL:
        buffer.full = True
        return NULL
    for i in range(map.size):
        entries[i].value = map.entries[i].value
        entries[i].key = key_text(map.entries[i].key, buffer.arena)
        if entries[i].key.kind != STRING:
            buffer.unwritable = True
            return NULL
    sort(entries, entries + map.size, &_key_before)
    return entries


cdef void _json_map(Buffer *buffer, Value map, int depth) noexcept nogil:
    cdef const Entry *entries = map.entries
    cdef uint32_t i
    if not map.flags & SORTED and map.size > 1:
        entries = _sorted_entries(buffer, map)
        if entries == NULL:
            return
    _put(buffer, b"{", 1)
    for i in range(map.size):
        if i:
            _put(buffer, b",", 1)
        _quote(buffer, key_text(entries[i].key, buffer.arena))
        _put(buffer, b":", 1)
        _json(buffer, entries[i].value, depth + 1)
    _put(buffer, b"}", 1)


cdef void _json(Buffer *buffer, Value value, int depth) noexcept nogil:
    cdef uint32_t i
    if buffer.full or buffer.unwritable:
        return
    if depth > JSON_DEPTH or value.kind == ERROR:
        buffer.unwritable = True
    elif value.kind == STRING:
        _quote(buffer, value)
    elif value.kind == MAP:
        _json_map(buffer, value, depth)
    elif value.kind == LIST:
        _put(buffer, b"[", 1)
        for i in range(value.size):
            if i:
                _put(buffer, b",", 1)
            _json(buffer, value.items[i], depth + 1)
        _put(buffer, b"]", 1)
    elif value.kind == DOUBLE:
        _json_double(buffer, value.number)
    elif value.kind == BYTES:
        _quote(buffer, _base64(value, buffer.arena))
    elif value.kind == ABSENT:
        _put(buffer, b"null", 4)
    else:
        _json_scalar(buffer, value)


cdef void _json_scalar(Buffer *buffer, Value value) noexcept nogil:
    cdef Value text = key_text(value, buffer.arena)
    cdef bint exact = True
    if text.kind != STRING:
        buffer.full = True
        return
    if value.kind == INT:
        exact = -MAX_EXACT <= value.integer <= MAX_EXACT
    elif value.kind == UINT:
        exact = value.natural <= <unsigned long long> MAX_EXACT
    if exact:
        _put(buffer, text.text, text.size)
    else:
        _quote(buffer, text)


cdef Value value_json(Value value, Arena *arena, bint go_escapes) noexcept nogil:
    cdef Buffer buffer
    buffer.arena = arena
    buffer.at = NULL
    buffer.size = buffer.capacity = 0
    buffer.go_escapes = go_escapes
    buffer.full = buffer.unwritable = False
    _json(&buffer, value, 0)
    if buffer.unwritable:
        return error_value(BAD_CONVERSION)
    if buffer.full or buffer.size > <size_t> 0xffffffff:
        return error_value(OUT_OF_MEMORY)
    return string_value(buffer.at, <uint32_t> buffer.size)


cdef object _python_text(object value, int form):
    cdef Document *document = build_document(value, False)
    cdef Arena *arena = new Arena()
    cdef Value text
    try:
        if form == 0:
            text = value_text(document.root, arena)
        elif form == 1:
            text = key_text(document.root, arena)
        else:
            text = value_json(document.root, arena, form == 3)
        if text.kind != STRING:
            raise ValueError(f"{type(value).__name__} has no such text")
        return python_value(text)
    finally:
        drop(<Counted *> document)
        del arena


def text_of_value(value):
    """See text.pyi."""
    return _python_text(value, 0)


def key_of_value(value):
    """See text.pyi."""
    return _python_text(value, 1)


def json_of_value(value, *, bint go_escapes=False):
    """See text.pyi."""
    return _python_text(value, 3 if go_escapes else 2)
