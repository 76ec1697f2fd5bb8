"""The counter table: one per process, shared by both lanes and the HTTP side."""

from collections.abc import Collection, Iterable, Sequence
from enum import IntEnum
from typing import NamedTuple

from _fastpath.clock import Clock
from _fastpath.limit_spec import Quota

class Mode(IntEnum):
    CHECK_AND_ADD = 0
    """Add to all counters if all fit, otherwise to none."""
    CHECK = 1
    """Look only; nothing is created or changed."""
    ADD = 2
    """Add to all, also past the limit."""

class Hit(NamedTuple):
    """One counter of a decision.

    limit_digest: 16 bytes, the identity of the limit. values: the variable values; () for a limit
    without variables; one of more than 1024 bytes of UTF-8 is kept, and listed, as its first 960
    bytes or so, "#" and 32 hexadecimal digits of a digest. delta: -(2^63 - 1) … 2^64 - 1; negative
    gives back, 0 looks. binding: False for a hit that never makes the decision refuse; when the
    decision passes it is charged, past its limit if need be. always: charged even when the
    decision refuses or it does not fit itself.
    """

    limit_digest: bytes
    quota: Quota
    values: tuple[str, ...]
    delta: int
    binding: bool = True
    always: bool = False

class Verdict(NamedTuple):
    """What one counter said; "value" is what it counts, "capacity" max_value or the burst.

    fits: value + delta <= capacity; giving back always fits.
    remaining: capacity - (value + delta), at least 0, also when the decision refused and nothing
    was charged; capacity - value, at least 0, after Mode.CHECK and for a hit that is charged
    always and does not fit.
    reset_ns: time left in the window, the running one of a SLIDING_WINDOW; of a counter that does
    not exist the window it would have. TOKEN_BUCKET: time until the bucket is full, with this hit
    charged if it fits and the mode charges. CONCURRENCY: time until the last slot is free if none
    is given back; without slots in use the lease.
    retry_ns: time until this hit would fit if nothing else happened; 0 if it does, 2^63 - 1 if it
    never will.
    """

    fits: bool
    remaining: int
    reset_ns: int
    retry_ns: int

class Counter(NamedTuple):
    """A live counter as listed. reset_ns > 0."""

    limit_digest: bytes
    values: tuple[str, ...]
    value: int
    reset_ns: int

class SavedCounter(NamedTuple):
    """A counter in a form that outlives the process; its times are CLOCK_REALTIME.

    key: see counter_key. expires_wall_ns: nanoseconds since the epoch; from then on it is not worth
    restoring. state: opaque; its first byte is the number of the format.
    """

    key: bytes
    expires_wall_ns: int
    state: bytes

class CounterStats(NamedTuple):
    """size: entries held, expired ones not yet reclaimed included. bytes: heap they and the index
    take. evicted: live counters that gave way at the bound. reclaimed: expired ones freed."""

    size: int
    bytes: int
    evicted: int
    reclaimed: int

class CounterTable:
    """Counters of all algorithms; docs/algorithms.md tells how each counts.

    All methods may be called from any thread; native threads use the same table without the
    interpreter lock. See docs/counters.md.
    """

    def __init__(self, max_counters: int = 1_000_000) -> None:
        """Hold at most `max_counters` (at least 1); raises ValueError otherwise."""

    def check_and_add(self, hits: Sequence[Hit], clock: Clock, mode: Mode) -> list[Verdict]:
        """Decide and charge `hits` as one atomic step; one verdict per hit, in order.

        With CHECK_AND_ADD the hits were charged if and only if all binding ones fit, those with
        `always` in any case. Sums saturate at 2^64 - 1 and 0. Raises ValueError for a value out of
        its range or one counter named twice, and MemoryError, with nothing charged, when a counter
        cannot be held.
        """

    def remove(self, limit_digests: Collection[bytes]) -> int:
        """Delete all counters of these limits; returns how many.

        Walks the whole table in slices without the interpreter lock: a million counters take tens
        of milliseconds, so call it in a worker thread.
        """

    def reset(self, limit_digest: bytes, values: tuple[str, ...]) -> bool:
        """Delete one counter; False if there was none."""

    def set(
        self,
        limit_digest: bytes,
        quota: Quota,
        values: tuple[str, ...],
        value: int,
        clock: Clock,
    ) -> None:
        """Let one counter have counted `value` hits (0 … 2^64 - 1) just now and none before.

        Its window begins anew, one of the wall clock goes on; with 0 the counter is gone. Raises
        ValueError for a quota out of range and MemoryError when the counter cannot be held.
        """

    def changed(
        self, clock: Clock, cursor: int = 0, count: int = 1000
    ) -> tuple[int, list[SavedCounter]]:
        """One slice of the counters that changed since a walk last passed them.

        Cursors as of list(). Being told clears a counter's mark, so a record that cannot be kept
        has to be kept later: it comes again only with the next change. Counters that were deleted,
        evicted or have expired are not told.
        """

    def restore(self, records: Iterable[SavedCounter], clock: Clock) -> int:
        """Take saved counters; returns how many.

        One that has expired meanwhile, whose key counts already, or for which there is no room is
        passed over. Windows of the wall clock end when they would have; times left in others go on
        by the wall clock, at most one whole window. Raises ValueError for a record that cannot be
        read; those before it were taken.
        """

    def sweep(self, clock: Clock, buckets: int = 1024) -> int:
        """Free expired entries in up to `buckets` buckets of every shard; returns how many.

        Traffic reclaims as it goes; called about once a second this keeps an idle table small.
        """

    def list(
        self,
        limit_digests: Collection[bytes] | None,
        clock: Clock,
        cursor: int = 0,
        count: int = 1000,
    ) -> tuple[int, list[Counter]]:
        """One slice of the live counters of these limits (None: of all limits).

        Start with cursor 0 and pass on the returned one until it is 0 again. About `count` entries
        are visited per slice. A counter that lives through the whole walk is listed exactly once;
        the order is arbitrary.
        """

    def stats(self) -> CounterStats: ...
    def __len__(self) -> int: ...

def counter_key(limit_digest: bytes, values: tuple[str, ...]) -> bytes:
    """The key of a counter: the digest, then each value's size (4 bytes, little-endian) and UTF-8.

    The same in every process. Raises ValueError for a digest that has not 16 bytes.
    """
