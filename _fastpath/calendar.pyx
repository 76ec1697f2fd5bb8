"""Calendars at their Python edge; the arithmetic is calendar.hpp."""

from libc.stdint cimport INT64_MIN, int64_t

from _fastpath.counted cimport drop
from _fastpath.handler cimport Unit

from enum import IntEnum

from _fastpath.zone_offsets import zone_offsets


class Period(IntEnum):
    MINUTE = 1
    HOUR = 2
    DAY = 3
    WEEK = 4
    MONTH = 5
    YEAR = 6


cdef class Zone:
    """Owns one reference to the offsets of a time zone."""
    cdef ZoneOffsets *pointer

    def __cinit__(self, str time_zone):
        self.pointer = new ZoneOffsets()
        for start, offset in zone_offsets(time_zone):
            self.pointer.starts.push_back(INT64_MIN if start is None else <int64_t> start)
            self.pointer.offsets.push_back(offset)

    def __dealloc__(self):
        drop(self.pointer)


# Compiled once each; there are some six hundred names.
cdef dict zones = {}


cdef Zone zone_named(str time_zone):
    if time_zone not in zones:
        zones[time_zone] = Zone(time_zone)
    return zones[time_zone]


cdef class Calendar(Unit):
    def __init__(self, period, str time_zone="UTC"):
        if self.pointer != NULL:
            raise ValueError("a calendar is made once")
        self.period = Period(period)
        self.time_zone = time_zone
        cdef Zone zone = zone_named(time_zone)
        self.pointer = new NativeCalendar(<NativePeriod> <int> self.period, zone.pointer)

    cdef NativeCalendar *native(self) noexcept:
        return <NativeCalendar *> self.pointer

    def window(self, int64_t wall_ns) -> tuple:
        """See calendar.pyi."""
        if self.pointer == NULL:
            raise ValueError("a calendar is made by its constructor")
        cdef WallWindow window = self.native().window(wall_ns)
        return window.start_ns, window.end_ns

    def __eq__(self, other):
        if not isinstance(other, Calendar):
            return NotImplemented
        return self.period == other.period and self.time_zone == other.time_zone

    def __hash__(self):
        return hash((self.period, self.time_zone))

    def __repr__(self):
        return f"Calendar({self.period.name}, {self.time_zone!r})"
