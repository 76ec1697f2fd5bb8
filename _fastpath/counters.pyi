"""The counter table: one per process, shared by both lanes and the HTTP side."""

from collections.abc import Collection, Sequence
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
    bytes or so, "#" and 32 hexadecimal digits of a keyed digest. delta: -(2^63 - 1) … 2^64 - 1;
    negative gives back, 0 looks. binding: False for a hit that never makes the decision refuse.
    always: charged even when the decision refuses.
    """

    limit_digest: bytes
    quota: Quota
    values: tuple[str, ...]
    delta: int
    binding: bool = True
    always: bool = False

class Verdict(NamedTuple):
    """What one counter said.

    fits: value + delta <= max_value; giving back always fits.
    remaining: max_value - (value + delta), at least 0, also when the decision refused and nothing
    was charged; after Mode.CHECK max_value - value, at least 0.
    reset_ns: time left in the window; of a counter that did not exist or had expired, its window.
    retry_ns: time until this hit would fit; 0 if it does, 2^63 - 1 if it never will.
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

class CounterStats(NamedTuple):
    """size: entries held, expired ones not yet reclaimed included. bytes: heap they and the index
    take. evicted: live counters that gave way at the bound. reclaimed: expired ones freed."""

    size: int
    bytes: int
    evicted: int
    reclaimed: int

class CounterTable:
    """Fixed windows that open with the first hit; at `now >= expiry` a counter is gone.

    All methods may be called from any thread; native threads use the same table without the
    interpreter lock. See docs/counters.md.
    """

    def __init__(self, max_counters: int = 1_000_000) -> None:
        """Hold at most `max_counters` (at least 1); raises ValueError otherwise."""

    def check_and_add(self, hits: Sequence[Hit], clock: Clock, mode: Mode) -> list[Verdict]:
        """Decide and charge `hits` as one atomic step; one verdict per hit, in order.

        With CHECK_AND_ADD the hits were charged if and only if all binding ones fit, those with
        `always` in any case. Sums saturate at 2^64 - 1
        and 0. Raises ValueError for a value out of its range or one counter named twice, and
        MemoryError, with nothing charged, when a counter cannot be held.
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

    def remove(self, limit_digests: Collection[bytes]) -> int:
        """Delete all counters of these limits; returns how many.

        Walks the whole table in slices without the interpreter lock: a million counters take tens
        of milliseconds, so call it in a worker thread.
        """

    def reset(self, limit_digest: bytes, values: tuple[str, ...]) -> bool:
        """Delete one counter; False if there was none."""

    def sweep(self, mono_ns: int, buckets: int = 1024) -> int:
        """Free expired entries in up to `buckets` buckets of every shard; returns how many.

        Traffic reclaims as it goes; called about once a second this keeps an idle table small.
        """

    def stats(self) -> CounterStats: ...
    def __len__(self) -> int: ...
