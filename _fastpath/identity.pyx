"""The table of API keys at its Python edge; see identity.hpp."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memcpy

from _fastpath.counted cimport Counted
from _fastpath.digest cimport Digest
from _fastpath.document cimport NativeDocument
from _fastpath.wire cimport TextView

from _fastpath.errors import IdentityTableFull


cdef extern from "<openssl/sha.h>" nogil:
    unsigned char *SHA256(const unsigned char *data, size_t size, unsigned char *result)
    enum:
        SHA256_DIGEST_LENGTH

cdef int64_t NEVER = 0x7fffffffffffffff


cdef Counted *find_key(
    Identities *table, uint64_t key_set, TextView app_id, TextView key, int64_t wall_ns
) noexcept nogil:
    cdef unsigned char[SHA256_DIGEST_LENGTH] hash
    cdef Counted *found = table.find(
        table.digest(key_set, False, app_id.text, app_id.size, key.text, key.size), wall_ns)
    if found != NULL or not table.has_hashes():
        return found
    SHA256(<const unsigned char *> key.text, key.size, hash)
    return table.find(
        table.digest(key_set, True, app_id.text, app_id.size, hash, SHA256_DIGEST_LENGTH), wall_ns)


cdef TextView view_of(bytes text) noexcept:
    cdef TextView view
    view.text = PyBytes_AS_STRING(text)
    view.size = <uint32_t> PyBytes_GET_SIZE(text)
    return view


cdef class IdentityTable:
    def __cinit__(self, size_t max_identities=1_000_000):
        self.table = new Identities(max_identities)
        self.key_sets = {}

    def __dealloc__(self):
        del self.table

    def key_set(self, str name) -> int:
        """The id of the named set, the same for the life of the process."""
        return self.key_sets.setdefault(name, len(self.key_sets))

    cdef Digest digest_of(self, uint64_t key_set, bytes key, bytes app_id, bint hashed) noexcept:
        cdef TextView id_view = view_of(app_id), key_view = view_of(key)
        return self.table.digest(
            key_set, hashed, id_view.text, id_view.size, key_view.text, key_view.size)

    def digest(
        self,
        uint64_t key_set,
        bytes key not None,
        *,
        bytes app_id not None=b"",
        bint hashed=False,
    ) -> bytes:
        """What `put` would return."""
        cdef Digest digest = self.digest_of(key_set, key, app_id, hashed)
        return PyBytes_FromStringAndSize(<const char *> &digest, 16)

    def put(
        self,
        uint64_t key_set,
        bytes key not None,
        NativeDocument identity not None,
        *,
        bytes app_id not None=b"",
        bint hashed=False,
        int64_t expires_wall_ns=NEVER,
    ) -> bytes:
        """Add or replace; returns the digest."""
        cdef Digest digest
        if not key:
            raise ValueError("an API key cannot be empty")
        if hashed and len(key) != SHA256_DIGEST_LENGTH:
            raise ValueError("a SHA-256 has 32 bytes")
        digest = self.digest_of(key_set, key, app_id, hashed)
        if not self.table.put(digest, identity.pointer, expires_wall_ns):
            raise IdentityTableFull("the bound on API keys is reached")
        if hashed:
            self.table.expect_hashes()
        return PyBytes_FromStringAndSize(<const char *> &digest, 16)

    def revoke(self, bytes digest not None) -> bool:
        """Remove; False when it was not there."""
        cdef Digest wanted
        if len(digest) != 16:
            raise ValueError("a digest has 16 bytes")
        memcpy(&wanted, PyBytes_AS_STRING(digest), 16)
        return self.table.remove(wanted)

    def find(
        self,
        uint64_t key_set,
        bytes key not None,
        int64_t wall_ns,
        *,
        bytes app_id not None=b"",
    ):
        """The identity of this key, or None."""
        cdef Counted *identity = find_key(
            self.table, key_set, view_of(app_id), view_of(key), wall_ns)
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
