"""Short forms that tests of counters share."""

from _fastpath.clock import Clock
from _fastpath.limit_spec import Algorithm, Quota

WALL_NS = 10**18


def fixed(max_value: int, window_ns: int) -> Quota:
    return Quota(Algorithm.FIXED_WINDOW, max_value, window_ns)


def at(mono_ns: int) -> Clock:
    return Clock(mono_ns, WALL_NS + mono_ns)
