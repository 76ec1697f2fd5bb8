from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libcpp cimport bool as cbool
from libcpp.string cimport string
from libcpp.vector cimport vector

from _fastpath.counters cimport CounterHit, HitMode, Table
from _fastpath.handler cimport Clock, Delivery, Ticket


cdef extern from "counter_store.hpp" namespace "tollhouse" nogil:
    ctypedef enum FailPolicy:
        FAIL_CLOSED, FAIL_OPEN, FAIL_LOCAL, FAIL_ERROR

    ctypedef enum Begun:
        SETTLED, QUEUED, OVERLOADED

    cdef struct StoreOptions:
        size_t max_decisions
        size_t max_bytes
        cbool by_tag
        cbool key_tags
        int64_t lease_ns
        uint64_t max_leases

    cdef cppclass StoreTag:
        const char *text
        unsigned char size

    cdef cppclass StoreDecision:
        pass

    cdef cppclass StoreGroup:
        StoreTag tag
        uint32_t keys
        string body
        vector[StoreDecision] decisions
        cbool settled

    cdef cppclass StoreQueue:
        int descriptor()
        vector[StoreGroup] take(size_t most) except +
        size_t waiting()
        uint64_t refused()

    cdef cppclass LeaseTable:
        void stats(uint64_t *counters, uint64_t *units)

    cdef cppclass Failures "std::atomic<uint64_t>":
        uint64_t load()

    cdef cppclass Store "tollhouse::CounterStore":
        StoreQueue queue
        LeaseTable leases
        Failures failed[4]
        Store(const StoreOptions &options) except +
        bint splits(size_t count)
        Begun begin(CounterHit *hits, uint32_t count, HitMode mode, Clock clock, int64_t now,
                    const char *of_namespace, const Ticket &ticket, uint64_t *number)
        void give_up(uint64_t number)
        long settle(StoreGroup *group, const char *reply, size_t size, int64_t sent_ns,
                    vector[Delivery] *out)
        void fail(StoreGroup *group, vector[Delivery] *out)
        void sweep(int64_t now, cbool all)
        bint decide_without(CounterHit *hits, uint32_t count, const FailPolicy *policies,
                            Table *local, Clock clock, HitMode mode)

    # False when the result says nothing: the store did not answer, or failed on this decision.
    bint read_result(const char *data, size_t size, CounterHit *hits, uint32_t count)
