from _fastpath.document import NativeDocument

def result_key(value: object, credential: bytes | None = None) -> bytes | None:
    """The key that a `cache.key` of this value stands for; both lanes make it alike.

    A result that depends on who asks is put under the value and the credential. None when nothing
    is remembered: the value is null or has no JSON form.
    """

class RememberedTable:
    """Results of earlier requests, found by all I/O threads while Python puts and drops.

    A result belongs to a scope and is found only in it, under the key it was put with, until it
    expires. The table holds a keyed 128-bit digest (SipHash-2-4 under a secret drawn per process)
    of scope and key, never the key, so a key may be a credential. What was not found for the
    longest time makes room for what is new.

    max_entries, max_bytes: bounds of the whole table; bytes count values and what an entry takes.

    All methods are for Python threads holding the interpreter lock.
    """

    def __init__(self, max_entries: int = 100_000, max_bytes: int = 256 << 20) -> None: ...
    def scope(self) -> int:
        """A scope number that was never given before."""

    def drop(self, scope: int) -> None:
        """Forget all results of the scope; it can be used again.

        A result that was computed before and is put afterwards is found: who puts must know that
        what it relied on still holds.
        """

    def put(self, scope: int, key: bytes, value: NativeDocument, expires_wall_ns: int) -> bool:
        """Remember `value`, in place of an earlier one, while the wall clock is before its expiry.

        False when it is too large to be held (a 64th of the default bounds, 4 MiB); nothing is
        found under the key then.
        """

    def find(self, scope: int, key: bytes, wall_ns: int) -> NativeDocument | None:
        """The result put under this key, unless it expired or had to make room."""

    @property
    def bytes_held(self) -> int: ...
    def __len__(self) -> int:
        """Entries held, expired ones among them."""
