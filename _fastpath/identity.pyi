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

    def put(self, key_set: int, key: bytes, identity: NativeDocument) -> bytes:
        """Add or replace; Returns the digest, 16 bytes.

        Raises ValueError for an empty key and `errors.IdentityTableFull` at the bound.
        """

    def revoke(self, digest: bytes) -> bool:
        """Remove; False when it was not there."""

    def find(self, key_set: int, key: bytes) -> NativeDocument | None:
        """The identity of this key."""

    def collect(self) -> None:
        """Free identities that a request still held when they were revoked; call now and then."""

    def __len__(self) -> int: ...
