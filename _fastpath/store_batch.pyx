"""Python edge of counters that live in a store: batches for it, and decisions of the full lane."""

import asyncio
import time
from typing import NamedTuple

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint64_t
from libcpp.vector cimport vector

from _fastpath.counter_store cimport (
    OVERLOADED,
    QUEUED,
    Begun,
    FailPolicy,
    Store,
    StoreOptions,
    read_result,
)
from _fastpath.counters cimport (
    CounterHit,
    CounterTable,
    HitMode,
    Quota,
    fill,
    fill_quota,
    native_clock,
)
from _fastpath.handler cimport Clock, Delivery, Ticket
from _fastpath.suspension cimport deliver_all, expect, forget

from _fastpath.counters import Mode, Verdict, counter_key
from _fastpath.errors import CountersUnavailable
from _fastpath.limit_spec import Fail


class Group(NamedTuple):
    tag: bytes
    numkeys: int
    decisions: int
    body: bytes


class StoreStats(NamedTuple):
    waiting: int
    overloaded: int
    leased_counters: int
    leased_units: int
    failed: dict


cdef class Batch:
    def settle(self, size_t index, bytes reply):
        """Hand out the results of one group; returns how many decisions failed in the store."""
        cdef vector[Delivery] out
        cdef long failures
        if index >= self.taken.size():
            raise IndexError("no such group")
        cdef const char *data = PyBytes_AS_STRING(reply)
        cdef size_t size = <size_t> PyBytes_GET_SIZE(reply)
        with nogil:
            failures = self.batches.store.settle(
                &self.taken[index], data, size, self.taken_ns, &out)
        deliver_all(out)
        if failures < 0:
            self.batches.count("malformed", self.groups[index].decisions)
            raise ValueError("the store's reply is malformed")
        if failures:
            self.batches.count("wrong_type", failures)
        return failures

    def fail(self, size_t index, reason):
        """The store did not answer for one group: its decisions follow their policies."""
        cdef vector[Delivery] out
        if index >= self.taken.size():
            raise IndexError("no such group")
        if self.taken[index].settled:
            return
        self.batches.store.fail(&self.taken[index], &out)
        self.batches.count(reason, self.groups[index].decisions)
        deliver_all(out)


cdef class StoreBatches:
    def __cinit__(self, max_decisions, max_bytes, *, CounterTable counters, by_tag=False,
                  key_tags=False, int64_t lease_ns=0, uint64_t max_leases=100_000,
                  now=time.monotonic_ns):
        if max_decisions < 1 or max_bytes < 1 or lease_ns < 0:
            raise ValueError("bounds are at least 1, and a lease lasts 0 ns or more")
        cdef StoreOptions options
        options.max_decisions = max_decisions
        options.max_bytes = max_bytes
        options.by_tag = by_tag or key_tags
        options.key_tags = key_tags
        options.lease_ns = lease_ns
        options.max_leases = max_leases
        self.store = new Store(options)
        self.local = counters
        self.now = now
        self.failures = {}

    def __dealloc__(self):
        del self.store

    def count(self, reason, decisions):
        self.failures[reason] = self.failures.get(reason, 0) + decisions

    def fileno(self):
        return self.store.queue.descriptor()

    @property
    def waiting(self):
        """Decisions that no batch has taken yet."""
        return self.store.queue.waiting()

    def take(self, size_t most):
        """The next decisions, at most so many, or None."""
        cdef Batch batch = Batch.__new__(Batch)
        cdef size_t i
        batch.batches = self
        batch.taken_ns = self.now()
        with nogil:
            batch.taken = self.store.queue.take(most)
        if not batch.taken.size():
            return None
        batch.groups = []
        for i in range(batch.taken.size()):
            batch.groups.append(Group(
                PyBytes_FromStringAndSize(batch.taken[i].tag.text, batch.taken[i].tag.size),
                batch.taken[i].keys, batch.taken[i].decisions.size(), batch.taken[i].body))
            batch.taken[i].body.clear()
            batch.taken[i].body.shrink_to_fit()
        return batch

    async def decide(self, hits, fails, mode, clock, bytes tag):
        """Decide like a native handler does; one verdict per hit, None where it failed open."""
        cdef size_t i, count = len(hits)
        cdef vector[CounterHit] native
        cdef vector[Quota] quotas
        cdef vector[FailPolicy] policies
        cdef HitMode how = <HitMode> <int> Mode(mode)
        cdef Clock clocks = native_clock(clock)
        cdef Ticket ticket
        cdef uint64_t number = 0
        cdef Begun begun
        cdef bytes result = b""
        if not count:
            return []
        if len(tag) != 16:
            raise ValueError(f"a namespace's tag has 16 bytes, not {len(tag)}")
        if self.store.splits(count):
            raise ValueError("a decision over several tags has to be made in parts")
        keys = [counter_key(hit.limit_digest, hit.values) for hit in hits]
        if <size_t> len(set(keys)) != count:
            raise ValueError("one counter is named twice")
        native.resize(count)
        quotas.resize(count)
        for i in range(count):
            fill(&native[i], hits[i], keys[i])
            fill_quota(&quotas[i], hits[i].quota)
            native[i].quota = &quotas[i]
            policies.push_back(<FailPolicy> <int> Fail(fails[i]))
        future = asyncio.get_running_loop().create_future()
        expect(&ticket, future)
        try:
            begun = self.store.begin(
                native.data(), count, how, clocks, self.now(), PyBytes_AS_STRING(tag), ticket,
                &number)
            if begun == QUEUED:
                result = await future
        except asyncio.CancelledError:
            self.store.give_up(number)
            raise
        finally:
            forget(ticket.call)
        if begun == OVERLOADED:
            self.count("overloaded", 1)
        if begun == OVERLOADED or begun == QUEUED and not read_result(
            PyBytes_AS_STRING(result), <size_t> PyBytes_GET_SIZE(result), native.data(), count
        ):
            if not self.store.decide_without(
                native.data(), count, policies.data(), self.local.table, clocks, how
            ):
                raise CountersUnavailable("the counter store does not answer")
        else:
            policies.clear()
        return [verdict_of(&native[i], policies, i) for i in range(count)]

    def sweep(self):
        """Give back leases that ended and forget idle counters."""
        self.end_leases(False)

    def give_back(self):
        """Give back every lease."""
        self.end_leases(True)

    cdef end_leases(self, bint everything):
        cdef int64_t now = self.now()
        with nogil:
            self.store.sweep(now, everything)

    def stats(self):
        cdef uint64_t counters, units
        self.store.leases.stats(&counters, &units)
        failed = {policy: self.store.failed[<int> policy].load() for policy in Fail}
        return StoreStats(
            self.store.queue.waiting(), self.store.queue.refused(), counters, units, failed)


cdef verdict_of(const CounterHit *hit, const vector[FailPolicy] &policies, size_t i):
    if policies.size() and policies[i] == <FailPolicy> <int> Fail.OPEN:
        return None
    return Verdict(bool(hit.fits), hit.remaining, hit.reset_ns, hit.retry_ns)
