"""The table of remembered results at its Python edge; see remembered.hpp."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdint cimport int64_t, uint64_t

from _fastpath.counted cimport Counted
from _fastpath.document cimport Document, NativeDocument


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

    def collect(self) -> None:
        self.table.collect()

    @property
    def bytes_held(self) -> int:
        return self.table.bytes()

    def __len__(self) -> int:
        return self.table.size()
