"""Immutable native documents built from plain Python data."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.unicode cimport PyUnicode_AsUTF8AndSize, PyUnicode_DecodeUTF8
from libc.stdint cimport INT64_MAX, INT64_MIN, UINT64_MAX, int64_t, uint32_t, uint64_t
from libc.stdlib cimport malloc
from libc.string cimport memcpy

from _fastpath.value cimport (
    ABSENT,
    BOOL,
    BYTES,
    DOUBLE,
    INT,
    LIST,
    MAP,
    NULL_VALUE,
    STRING,
    UINT,
    Entry,
    Value,
    bool_value,
    bytes_value,
    double_value,
    int_value,
    list_value,
    map_value,
    null_value,
    string_value,
    uint_value,
)

cdef int MAX_DEPTH = 128
cdef size_t MAX_BYTES = 1 << 30


class Uint(int):
    """Marks a Python integer that becomes a CEL uint instead of an int."""


cdef struct Layout:
    size_t structure    # bytes of items and entries
    size_t text


cdef struct Cursor:
    char *structure
    char *text


cdef int _measure(object value, Layout *layout, int depth) except -1:
    cdef Py_ssize_t size = 0
    if depth > MAX_DEPTH:
        raise ValueError(f"nested deeper than {MAX_DEPTH} levels")
    if isinstance(value, str):
        PyUnicode_AsUTF8AndSize(value, &size)
        layout.text += <size_t> size
    elif isinstance(value, (bytes, bytearray)):
        layout.text += <size_t> len(value)
    elif isinstance(value, list):
        layout.structure += <size_t> len(value) * sizeof(Value)
        for item in value:
            _measure(item, layout, depth + 1)
    elif isinstance(value, dict):
        layout.structure += <size_t> len(value) * sizeof(Entry)
        for key, item in value.items():
            if not isinstance(key, (str, int)):
                raise ValueError(f"a map key cannot be {type(key).__name__}")
            _measure(key, layout, depth + 1)
            _measure(item, layout, depth + 1)
    elif value is not None and not isinstance(value, (bool, int, float)):
        raise ValueError(f"no value of a document: {type(value).__name__}")
    if layout.text + layout.structure > MAX_BYTES:
        raise ValueError(f"larger than {MAX_BYTES} bytes")
    return 0


cdef Value _integer(object value) except *:
    if isinstance(value, Uint):
        if not 0 <= value <= UINT64_MAX:
            raise ValueError("integer out of range")
        return uint_value(<uint64_t> value)
    if INT64_MIN <= value <= INT64_MAX:
        return int_value(<int64_t> value)
    if INT64_MAX < value <= UINT64_MAX:
        return uint_value(<uint64_t> value)
    raise ValueError("integer out of range")


cdef Value _text(const char *source, Py_ssize_t size, Cursor *cursor, bint is_bytes) noexcept:
    cdef char *at = cursor.text
    memcpy(at, source, <size_t> size)
    cursor.text += size
    if is_bytes:
        return bytes_value(at, <uint32_t> size)
    return string_value(at, <uint32_t> size)


cdef Value _list(list value, Cursor *cursor, bint doubles) except *:
    cdef Value *items = <Value *> cursor.structure
    cdef Py_ssize_t i
    cursor.structure += <size_t> len(value) * sizeof(Value)
    for i in range(len(value)):
        items[i] = _copy(value[i], cursor, doubles)
    return list_value(items, <uint32_t> len(value))


cdef bytes _key_bytes(tuple item):
    return (<str> item[0]).encode()


cdef Value _map(dict value, Cursor *cursor, bint doubles) except *:
    cdef Entry *entries = <Entry *> cursor.structure
    cdef bint by_text = all(isinstance(key, str) for key in value)
    cdef Py_ssize_t i = 0
    cursor.structure += <size_t> len(value) * sizeof(Entry)
    pairs = sorted(value.items(), key=_key_bytes) if by_text else list(value.items())
    for key, item in pairs:
        entries[i].key = _copy(key, cursor, False)
        entries[i].value = _copy(item, cursor, doubles)
        i += 1
    return map_value(entries, <uint32_t> i, by_text)


cdef Value _copy(object value, Cursor *cursor, bint doubles) except *:
    cdef Py_ssize_t size = 0
    cdef const char *text
    if value is None:
        return null_value()
    if isinstance(value, bool):
        return bool_value(value)
    if isinstance(value, int):
        return double_value(float(value)) if doubles else _integer(value)
    if isinstance(value, float):
        return double_value(value)
    if isinstance(value, str):
        text = PyUnicode_AsUTF8AndSize(value, &size)
        return _text(text, size, cursor, False)
    if isinstance(value, (bytes, bytearray)):
        raw = bytes(value)
        return _text(PyBytes_AS_STRING(raw), PyBytes_GET_SIZE(raw), cursor, True)
    if isinstance(value, list):
        return _list(value, cursor, doubles)
    return _map(value, cursor, doubles)


cdef Document *build_document(object value, bint numbers_as_double) except NULL:
    cdef Layout layout
    cdef Cursor cursor
    layout.structure = layout.text = 0
    _measure(value, &layout, 0)
    cdef Document *document = new Document()
    document.size = layout.structure + layout.text
    document.memory = <char *> malloc(document.size + 1)
    if document.memory == NULL:
        del document
        raise MemoryError
    cursor.structure = document.memory
    cursor.text = document.memory + layout.structure
    try:
        document.root = _copy(value, &cursor, numbers_as_double)
    except (ValueError, OverflowError) as error:
        del document
        raise ValueError(str(error)) from error
    return document


cdef object python_value(Value value):
    cdef uint32_t i
    if value.kind == NULL_VALUE or value.kind == ABSENT:
        return None
    if value.kind == BOOL:
        return bool(value.boolean)
    if value.kind == INT:
        return value.integer
    if value.kind == UINT:
        return value.natural
    if value.kind == DOUBLE:
        return value.number
    if value.kind == STRING:
        return PyUnicode_DecodeUTF8(value.text, value.size, "replace") if value.size else ""
    if value.kind == BYTES:
        return PyBytes_FromStringAndSize(value.text, value.size) if value.size else b""
    if value.kind == LIST:
        return [python_value(value.items[i]) for i in range(value.size)]
    if value.kind == MAP:
        return {
            python_value(value.entries[i].key): python_value(value.entries[i].value)
            for i in range(value.size)
        }
    raise ValueError(f"an error has no value: {value.code}")


cdef class NativeDocument(Unit):
    """An immutable copy of plain Python data, readable without the interpreter lock."""

    def __init__(self, object value, *, bint numbers_as_double=False):
        if self.pointer != NULL:
            raise ValueError("a document is built once")
        self.pointer = <Counted *> build_document(value, numbers_as_double)

    def to_python(self):
        return python_value((<Document *> self.pointer).root)
