"""The two clocks of a request, read together and passed down."""

from typing import NamedTuple


class Clock(NamedTuple):
    """CLOCK_MONOTONIC (durations) and CLOCK_REALTIME (calendar windows, expiry of tokens), ns."""

    mono_ns: int
    wall_ns: int
