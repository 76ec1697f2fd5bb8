from _fastpath.cells cimport Series
from _fastpath.check_decision cimport Tables
from _fastpath.handler cimport NativeHandler
from _fastpath.identity cimport IdentityTable
from _fastpath.plan cimport Plans
from _fastpath.remembered cimport RememberedTable
from _fastpath.throttle cimport Throttle


cdef class CheckDecider:
    cdef Tables tables
    cdef tuple constants
    cdef Plans plans
    cdef IdentityTable identities
    cdef RememberedTable remembered
    cdef Throttle throttle
    cdef Series series
    cdef readonly NativeHandler check
    cdef void register(self, Series series) except *
