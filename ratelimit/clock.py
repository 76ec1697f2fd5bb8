"""Reads both clocks together, for whatever is no request: pages, sweeps, timers."""

import time

from _fastpath.clock import Clock


def now() -> Clock:
    return Clock(time.monotonic_ns(), time.time_ns())
