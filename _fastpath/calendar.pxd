from libc.stdint cimport int64_t
from libcpp.vector cimport vector

from _fastpath.counted cimport Counted
from _fastpath.handler cimport Unit


cdef extern from "calendar.hpp" namespace "tollhouse" nogil:
    ctypedef enum NativePeriod "tollhouse::Period":
        pass

    cdef struct WallWindow:
        int64_t start_ns
        int64_t end_ns

    cdef cppclass ZoneOffsets(Counted):
        vector[int64_t] starts
        vector[int64_t] offsets

    cdef cppclass NativeCalendar "tollhouse::Calendar"(Counted):
        NativeCalendar(NativePeriod period, ZoneOffsets *zone) except +
        WallWindow window(int64_t wall_ns)


cdef class Calendar(Unit):
    cdef readonly object period
    cdef readonly str time_zone
    cdef NativeCalendar *native(self) noexcept
