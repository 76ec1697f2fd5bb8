from _fastpath.document import NativeDocument

class IdentityTable:
    """API keys to identities, read by all I/O threads while Python adds and revokes.

    Holds a keyed 128-bit digest (SipHash-2-4 under a secret drawn per process) of each key, never
    the key. A lookup is one digest and one probe, whatever the number of keys; digests are compared
    without early exit. Additions and revocations count for the next lookup.

    All methods are for Python threads holding the interpreter lock.
    """

    def __init__(self, max_identities: int = 1_000_000) -> None: ...
    def key_set(self, name: str) -> int:
        """The id of the named set, the same for the life of the process."""

    def put(
        self,
        key_set: int,
        key: bytes,
        identity: NativeDocument,
        *,
        app_id: bytes = b"",
        hashed: bool = False,
        expires_wall_ns: int = ...,
    ) -> bytes:
        """Add or replace; Returns the digest, 16 bytes.

        app_id: what a request has to bring beside the key; empty for none. hashed: `key` is the
        SHA-256 of the key. expires_wall_ns: it is found before then, by default for ever.
        Raises ValueError for an empty key or a hash of another length, and
        `errors.IdentityTableFull` at the bound.
        """

    def digest(
        self, key_set: int, key: bytes, *, app_id: bytes = b"", hashed: bool = False
    ) -> bytes:
        """What `put` would return."""

    def revoke(self, digest: bytes) -> bool:
        """Remove; False when it was not there."""

    def find(
        self, key_set: int, key: bytes, wall_ns: int, *, app_id: bytes = b""
    ) -> NativeDocument | None:
        """The identity of this key, which may be there by its hash."""

    def collect(self) -> None:
        """Free identities that a request still held when they were revoked; call now and then."""

    def __len__(self) -> int: ...
