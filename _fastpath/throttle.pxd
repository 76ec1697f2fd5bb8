from libc.stdint cimport int64_t

from _fastpath.counters cimport CounterTable, Quota, Table
from _fastpath.digest cimport Digest
from _fastpath.handler cimport Clock
from _fastpath.wire cimport TextView


cdef extern from "throttle.hpp" namespace "tollhouse" nogil:
    ctypedef enum Suspect "tollhouse::Throttle::Suspect":
        SUSPECT_SOURCE "tollhouse::Throttle::SOURCE"
        SUSPECT_CREDENTIAL "tollhouse::Throttle::CREDENTIAL"

    cdef cppclass NativeThrottle "tollhouse::Throttle":
        NativeThrottle(Table *table, const Quota &source, const Quota &credential) except +
        bint counts(Suspect suspect)
        Digest key(Suspect suspect, TextView place, TextView text)
        int64_t blocked(Suspect suspect, const Digest &key, Clock clock)
        void failed(Suspect suspect, const Digest &key, Clock clock)


cdef class Throttle:
    cdef NativeThrottle *native
    cdef CounterTable counters
    cdef list keys_of(self, object suspects)
