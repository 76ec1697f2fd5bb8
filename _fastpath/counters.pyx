"""Python edge of the counter table; the table itself is counters.hpp."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport INT64_MAX, UINT64_MAX, uint32_t, uint64_t
from libc.string cimport memcpy
from libcpp.vector cimport vector

from _fastpath.calendar cimport Calendar
from _fastpath.handler cimport Clock

from enum import IntEnum
from typing import NamedTuple

from _fastpath.limit_spec import Algorithm as LimitAlgorithm
from _fastpath.limit_spec import Quota as LimitQuota


class Mode(IntEnum):
    CHECK_AND_ADD = 0
    CHECK = 1
    ADD = 2


class Hit(NamedTuple):
    limit_digest: bytes
    quota: LimitQuota
    values: tuple
    delta: int
    binding: bool = True
    always: bool = False


class Verdict(NamedTuple):
    fits: bool
    remaining: int
    reset_ns: int
    retry_ns: int


class Counter(NamedTuple):
    limit_digest: bytes
    values: tuple
    value: int
    reset_ns: int


class CounterStats(NamedTuple):
    size: int
    bytes: int
    evicted: int
    reclaimed: int


class SavedCounter(NamedTuple):
    key: bytes
    expires_wall_ns: int
    state: bytes


def counter_key(bytes digest not None, values) -> bytes:
    """See counters.pyi."""
    if len(digest) != DIGEST_SIZE:
        raise ValueError(f"a limit digest has {DIGEST_SIZE} bytes, not {len(digest)}")
    cdef bytes text, part
    parts = [digest]
    for value in values:
        text = value.encode()
        part = PyBytes_FromStringAndSize(
            NULL, key_value_size(PyBytes_AS_STRING(text), <uint32_t> len(text)))
        write_key_value(PyBytes_AS_STRING(part), PyBytes_AS_STRING(text), <uint32_t> len(text))
        parts.append(part)
    return b"".join(parts)


cdef tuple values_of(const char *at, const char *end):
    cdef uint32_t size
    values = []
    while at < end:
        memcpy(&size, at, sizeof(size))
        at += sizeof(size)
        values.append(PyBytes_FromStringAndSize(at, size).decode())
        at += size
    return tuple(values)


cdef int check_key(bytes key) except -1:
    """Raises ValueError for what counter_key could not have made."""
    cdef const char *at = PyBytes_AS_STRING(key)
    cdef const char *end = at + PyBytes_GET_SIZE(key)
    cdef uint32_t size
    at += DIGEST_SIZE
    while at < end:
        if end - at < 4:
            break
        memcpy(&size, at, sizeof(size))
        if size > LONGEST_VALUE or size > end - at - 4:
            break
        PyBytes_FromStringAndSize(at + 4, size).decode()
        at += 4 + size
    if at != end:
        raise ValueError("the key of a saved counter cannot be read")
    return 0


cdef uint32_t shard_of(cursor) except? 0:
    if not 0 <= cursor < 1 << 70:
        raise ValueError(f"no cursor of a walk: {cursor}")
    return cursor >> 64


cdef Clock native_clock(clock):
    cdef Clock made
    made.mono_ns, made.wall_ns = clock
    return made


cdef bytes sorted_digests(digests):
    for digest in digests:
        if len(digest) != DIGEST_SIZE:
            raise ValueError(f"a limit digest has {DIGEST_SIZE} bytes, not {len(digest)}")
    return b"".join(sorted(set(digests)))


cdef int fill_quota(Quota *quota, given) except -1:
    """Raises ValueError for what is out of range."""
    cdef Calendar calendar = given.calendar
    algorithm = LimitAlgorithm(given.algorithm)
    if (calendar is not None) != (algorithm is LimitAlgorithm.CALENDAR_WINDOW):
        raise ValueError("a calendar belongs to CALENDAR_WINDOW, and to no other")
    for name in ("max_value", "burst"):
        if not 0 <= getattr(given, name) <= UINT64_MAX:
            raise ValueError(f"{name} is out of range: {getattr(given, name)}")
    if not 0 <= given.window_ns <= INT64_MAX:
        raise ValueError(f"window_ns is out of range: {given.window_ns}")
    quota.algorithm = <Algorithm> <int> algorithm
    quota.max_value = given.max_value
    quota.window_ns = given.window_ns
    quota.burst = given.burst
    quota.calendar = NULL
    if calendar is not None:
        quota.calendar = calendar.native()
    return 0


cdef int fill(CounterHit *hit, given, bytes key) except -1:
    delta = given.delta
    if not -INT64_MAX <= delta <= UINT64_MAX:
        raise ValueError(f"delta is out of range: {delta}")
    hit.key = PyBytes_AS_STRING(key)
    hit.key_size = <uint32_t> PyBytes_GET_SIZE(key)
    hit.give_back = delta < 0
    hit.amount = abs(delta)
    hit.binding = given.binding
    hit.always = given.always
    return 0


cdef class CounterTable:
    def __cinit__(self, uint64_t max_counters=1_000_000):
        if max_counters < 1:
            raise ValueError("max_counters is at least 1")
        self.table = new Table(max_counters)

    def __dealloc__(self):
        del self.table

    def check_and_add(self, hits, clock, mode):
        """Decide and charge `hits` as one atomic step; one verdict per hit, in order."""
        cdef size_t count = len(hits)
        cdef HitMode how = <HitMode> <int> Mode(mode)
        if not count:
            return []
        keys = [counter_key(hit.limit_digest, hit.values) for hit in hits]
        if len(set(keys)) != len(keys):
            raise ValueError("one counter is named twice")
        # Not a scratch of the table's: other threads may run while Python reads the hits.
        cdef vector[CounterHit] native
        cdef vector[Quota] quotas
        native.resize(count)
        quotas.resize(count)
        cdef size_t i
        cdef Decision decision
        for i in range(count):
            fill(&native[i], hits[i], keys[i])
            fill_quota(&quotas[i], hits[i].quota)
            native[i].quota = &quotas[i]
        decision = self.table.decide(native.data(), count, native_clock(clock), how)
        if decision == NO_ROOM:
            raise MemoryError("no room for another counter")
        return [
            Verdict(bool(native[i].fits), native[i].remaining, native[i].reset_ns,
                    native[i].retry_ns)
            for i in range(count)
        ]

    def list(self, limit_digests, clock, cursor=0, uint64_t count=1000):
        """One slice of the live counters of these limits (None: of all limits)."""
        cdef bytes digests = b"" if limit_digests is None else sorted_digests(limit_digests)
        cdef const char *wanted = NULL
        if limit_digests is not None:
            wanted = PyBytes_AS_STRING(digests)
        cdef size_t wanted_count = <size_t> len(digests) // DIGEST_SIZE
        cdef uint32_t shard_at = shard_of(cursor)
        cdef uint64_t position = cursor & UINT64_MAX
        cdef vector[ListedCounter] found
        cdef Clock now = native_clock(clock)
        with nogil:
            self.table.list(wanted, wanted_count, now, &shard_at, &position,
                            count, &found)
        cdef size_t i
        cdef const char *key
        counters = []
        for i in range(found.size()):
            key = found[i].key.data()
            counters.append(Counter(
                PyBytes_FromStringAndSize(key, DIGEST_SIZE),
                values_of(key + DIGEST_SIZE, key + found[i].key.size()),
                found[i].value,
                found[i].reset_ns,
            ))
        return (<object> shard_at) << 64 | position, counters

    def changed(self, clock, cursor=0, uint64_t count=1000):
        """One slice of the counters that changed since a walk last passed them."""
        cdef uint32_t shard_at = shard_of(cursor)
        cdef uint64_t position = cursor & UINT64_MAX
        cdef vector[NativeSavedCounter] found
        cdef Clock now = native_clock(clock)
        cdef size_t i
        with nogil:
            self.table.changed(now, &shard_at, &position, count, &found)
        saved = [
            SavedCounter(
                PyBytes_FromStringAndSize(found[i].key.data(), found[i].key.size()),
                found[i].expires_wall_ns,
                PyBytes_FromStringAndSize(found[i].state.data(), found[i].state.size()),
            )
            for i in range(found.size())
        ]
        return (<object> shard_at) << 64 | position, saved

    def restore(self, records, clock):
        """Take saved counters; returns how many."""
        cdef Clock now = native_clock(clock)
        cdef bytes key, state
        cdef Restored result
        cdef uint64_t taken = 0
        for key, _, state in records:
            check_key(key)
            result = self.table.restore(
                PyBytes_AS_STRING(key), <uint32_t> PyBytes_GET_SIZE(key),
                PyBytes_AS_STRING(state), <size_t> PyBytes_GET_SIZE(state), now)
            if result == MALFORMED:
                raise ValueError("a saved counter cannot be read")
            taken += result == RESTORED
        return taken

    def set(self, bytes limit_digest, quota, values, uint64_t value, clock):
        """Let one counter have counted `value` hits just now and none before."""
        cdef bytes key = counter_key(limit_digest, values)
        cdef Quota native
        fill_quota(&native, quota)
        if not self.table.set(PyBytes_AS_STRING(key), <uint32_t> PyBytes_GET_SIZE(key), native,
                              value, native_clock(clock)):
            raise MemoryError("no room for another counter")

    def remove(self, limit_digests):
        """Delete all counters of these limits; returns how many."""
        cdef bytes digests = sorted_digests(limit_digests)
        cdef const char *wanted = PyBytes_AS_STRING(digests)
        cdef size_t count = <size_t> len(digests) // DIGEST_SIZE
        cdef uint64_t removed
        with nogil:
            removed = self.table.remove(wanted, count)
        return removed

    def reset(self, bytes limit_digest, values):
        """Delete one counter; False if there was none."""
        cdef bytes key = counter_key(limit_digest, values)
        return bool(self.table.reset(PyBytes_AS_STRING(key), <uint32_t> PyBytes_GET_SIZE(key)))

    def sweep(self, clock, uint64_t buckets=1024):
        """Free expired entries in up to `buckets` buckets of every shard; returns how many."""
        cdef Clock now = native_clock(clock)
        cdef uint64_t freed
        with nogil:
            freed = self.table.sweep(now, buckets)
        return freed

    def stats(self):
        cdef TableStats sums = self.table.stats()
        return CounterStats(sums.size, sums.bytes, sums.evicted, sums.reclaimed)

    def __len__(self):
        return self.table.size()
