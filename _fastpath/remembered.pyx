"""The table of remembered results at its Python edge; see remembered.hpp."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memcpy

from _fastpath.arena cimport Arena
from _fastpath.counted cimport Counted
from _fastpath.document cimport Document, NativeDocument
from _fastpath.json_form cimport json_form
from _fastpath.text cimport value_json
from _fastpath.value cimport ERROR, NULL_VALUE, OUT_OF_MEMORY, Value
from _fastpath.wire cimport TextView

from _fastpath.json_form import json_form_of
from _fastpath.text import json_of_value


cdef class RememberedTable:
    def __cinit__(self, size_t max_entries=100_000, size_t max_bytes=256 << 20):
        self.table = new Remembered(max_entries, max_bytes)

    def __dealloc__(self):
        del self.table

    def scope(self) -> int:
        return self.table.new_scope()

    def drop(self, uint64_t scope) -> None:
        self.table.drop_scope(scope)

    def put(
        self, uint64_t scope, bytes key not None, NativeDocument value not None,
        int64_t expires_wall_ns,
    ) -> bool:
        return self.table.put(
            scope, PyBytes_AS_STRING(key), <size_t> PyBytes_GET_SIZE(key), value.pointer,
            (<Document *> value.pointer).size, expires_wall_ns)

    def find(self, uint64_t scope, bytes key not None, int64_t wall_ns):
        cdef Counted *value = self.table.find(
            scope, PyBytes_AS_STRING(key), <size_t> PyBytes_GET_SIZE(key), wall_ns)
        cdef NativeDocument document
        if value == NULL:
            return None
        document = NativeDocument.__new__(NativeDocument)
        document.pointer = value
        return document

    @property
    def bytes_held(self) -> int:
        return self.table.bytes()

    def __len__(self) -> int:
        return self.table.size()


cdef ResultKey result_key_of(
    Value value, const TextView *credential, Arena *arena, TextView *key
) noexcept nogil:
    """The value as JSON; then, after a byte that JSON never has, the credential."""
    cdef Value text
    cdef char *joined
    value = json_form(value, arena)
    if value.kind == NULL_VALUE:
        return KEY_NONE
    text = value_json(value, arena, False)
    if text.kind == ERROR:
        return KEY_NO_MEMORY if text.code == OUT_OF_MEMORY else KEY_NONE
    key.text = text.text
    key.size = text.size
    if credential == NULL:
        return KEY_FOUND
    joined = <char *> arena.take(<size_t> text.size + 1 + credential.size)
    if joined == NULL:
        return KEY_NO_MEMORY
    memcpy(joined, text.text, text.size)
    joined[text.size] = 0
    memcpy(joined + text.size + 1, credential.text, credential.size)
    key.text = joined
    key.size = <uint32_t> (text.size + 1 + credential.size)
    return KEY_FOUND


def result_key(value, bytes credential=None):
    try:
        value = json_form_of(value)
    except ValueError:
        return None
    if value is None:
        return None
    text = json_of_value(value).encode()
    return text if credential is None else text + b"\0" + credential
