"""Counters that live in a store outside this process: decisions on their way there and back."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from _fastpath.clock import Clock
from _fastpath.counters import CounterTable, Hit, Mode, Verdict
from _fastpath.limit_spec import Fail

class Group(NamedTuple):
    """Decisions that are sent in one call.

    tag: what the keys have in common, of the first decision where batches mix tags. numkeys,
    decisions: numbers of keys and of decisions. body: RESP bulk strings of the keys, of an empty
    text (the store's own time) and of the decisions; store_record.hpp says how these look.
    """

    tag: bytes
    numkeys: int
    decisions: int
    body: bytes

class Batch:
    """Decisions that were taken together. Each group is settled or failed once; on any thread."""

    @property
    def groups(self) -> list[Group]: ...
    def settle(self, index: int, reply: bytes) -> int:
        """Hand out the results of one group, in the order of its decisions.

        Returns how many decisions the store could not make; they follow `Fail`, as all of the group
        do when the reply is malformed: then ValueError is raised.
        """

    def fail(self, index: int, reason: str) -> None:
        """The store did not answer: the group's decisions follow `Fail`. Counted by `reason`.
        Does nothing for a group that is settled."""

class StoreStats(NamedTuple):
    """waiting: decisions no batch has taken. overloaded: decisions that found no room to wait.
    leased_counters, leased_units: counters with a demand for leases, units held for them.
    failed: hits that followed each policy."""

    waiting: int
    overloaded: int
    leased_counters: int
    leased_units: int
    failed: dict[Fail, int]

class StoreBatches:
    """Where native threads and the event loop leave decisions, and somebody takes them to a store.

    A decision that waits is bounded by count and bytes; past the bound it follows `Fail` at once.
    One that is cancelled or passes its deadline while it waits is not sent. With leases, decisions
    whose counters all hold enough never get here (docs/redis.md).
    """

    failures: dict[str, int]
    """Decisions that the store did not make, by reason."""

    def __init__(
        self,
        max_decisions: int,
        max_bytes: int,
        *,
        counters: CounterTable,
        by_tag: bool = False,
        key_tags: bool = False,
        lease_ns: int = 0,
        max_leases: int = 100_000,
        now: Callable[[], int] = ...,
    ) -> None:
        """counters: of limits that count alone while the store does not answer (`Fail.LOCAL`).
        by_tag: no group mixes tags, for a cluster. key_tags: every key has a tag of its own, and a
        decision of several counters is left to Python. lease_ns: 0 decides everything exactly.
        max_leases: counters that may hold leases; the others are exact. now: CLOCK_MONOTONIC.
        """

    def fileno(self) -> int:
        """A descriptor that is readable while something waits."""

    @property
    def waiting(self) -> int: ...
    def take(self, most: int) -> Batch | None:
        """The next decisions, at most so many; None when none waits. On one thread at a time.

        Leases last from this moment on, so a batch is to be sent at once.
        """

    async def decide(
        self, hits: Sequence[Hit], fails: Sequence[Fail], mode: Mode, clock: Clock, tag: bytes
    ) -> list[Verdict | None]:
        """Decide `hits` like a native handler does; a verdict per hit, None where it failed open.

        tag: `limit_spec.namespace_tag` of the limits. On an event loop; a cancelled decision that
        still waits is not sent. Raises CountersUnavailable for `Fail.ERROR`, or when a counter
        cannot be held; ValueError as CounterTable.check_and_add, and with key_tags for several
        hits.
        """

    def sweep(self) -> None:
        """Give back leases that ended and forget idle counters; a few times per lease."""

    def give_back(self) -> None:
        """Give back every lease, at the end."""

    def stats(self) -> StoreStats: ...
