from libc.stdint cimport int64_t
from libcpp.vector cimport vector

from _fastpath.counter_store cimport Store, StoreGroup
from _fastpath.counters cimport CounterTable


cdef class StoreBatches:
    cdef Store *store
    cdef CounterTable local         # of limits that count alone while the store does not answer
    cdef object now
    cdef readonly dict failures     # reason → decisions
    cdef end_leases(self, bint everything)


cdef class Batch:
    cdef StoreBatches batches
    cdef vector[StoreGroup] taken
    cdef int64_t taken_ns
    cdef readonly list groups
