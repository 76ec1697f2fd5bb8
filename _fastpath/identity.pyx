"""The table of API keys at its Python edge; see identity.hpp."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport uint64_t
from libc.string cimport memcpy

from _fastpath.counted cimport Counted
from _fastpath.digest cimport Digest
from _fastpath.document cimport NativeDocument

from _fastpath.errors import IdentityTableFull


cdef class IdentityTable:
    def __cinit__(self, size_t max_identities=1_000_000):
        self.table = new Identities(max_identities)
        self.key_sets = {}

    def __dealloc__(self):
        del self.table

    def key_set(self, str name) -> int:
        """The id of the named set, the same for the life of the process."""
        return self.key_sets.setdefault(name, len(self.key_sets))

    cdef Digest digest(self, uint64_t key_set, bytes key) noexcept:
        return self.table.digest(key_set, PyBytes_AS_STRING(key), <size_t> PyBytes_GET_SIZE(key))

    def put(self, uint64_t key_set, bytes key not None, NativeDocument identity not None) -> bytes:
        """Add or replace; returns the digest."""
        cdef Digest digest
        if not key:
            raise ValueError("an API key cannot be empty")
        digest = self.digest(key_set, key)
        if not self.table.put(digest, identity.pointer):
            raise IdentityTableFull("the bound on API keys is reached")
        return PyBytes_FromStringAndSize(<const char *> &digest, 16)

    def revoke(self, bytes digest not None) -> bool:
        """Remove; False when it was not there."""
        cdef Digest wanted
        if len(digest) != 16:
            raise ValueError("a digest has 16 bytes")
        memcpy(&wanted, PyBytes_AS_STRING(digest), 16)
        return self.table.remove(wanted)

    def find(self, uint64_t key_set, bytes key not None):
        """The identity of this key, or None."""
        cdef Counted *identity = self.table.find(self.digest(key_set, key))
        cdef NativeDocument document
        if identity == NULL:
            return None
        document = NativeDocument.__new__(NativeDocument)
        document.pointer = identity
        return document

    def collect(self):
        """Free what was revoked while requests held it."""
        self.table.collect()

    def __len__(self) -> int:
        return self.table.size()
