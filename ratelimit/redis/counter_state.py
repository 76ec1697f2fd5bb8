"""Counters as `decide.lua` stores them, read for listing."""

import struct

from ratelimit.redis.wire import MOST

_WINDOW = struct.Struct("<xdd")
_FOUR = struct.Struct("<xdddd")
_SLOT = struct.Struct("<dd")


def held(state: bytes, now_us: int) -> tuple[int, int] | None:
    """Value and time until reset in microseconds; None for what is no counter, or over.

    The formats stand at the head of `decide.lua`.
    """
    algorithm = state[0] if state else 0
    try:
        value, reset_us = _READERS[algorithm](state, now_us)
    except (KeyError, struct.error, ValueError, OverflowError, ZeroDivisionError):
        return None
    return (min(value, MOST), reset_us) if reset_us > 0 else None


def _window(state: bytes, now_us: int) -> tuple[int, int]:
    value, expiry = map(int, _WINDOW.unpack(state))
    return value, expiry - now_us


def _sliding(state: bytes, now_us: int) -> tuple[int, int]:
    start, window, before, value = map(int, _FOUR.unpack(state))
    if now_us >= start + window:
        start, before, value = start + window, value, 0
    left = start + window - now_us
    return before * left // window + value, left if before or value else 0


def _bucket(state: bytes, now_us: int) -> tuple[int, int]:
    full, fraction, rate, window = map(int, _FOUR.unpack(state))
    owed = (full - now_us) * rate + fraction
    return -(-owed // window), -(-owed // rate)


def _slots(state: bytes, now_us: int) -> tuple[int, int]:
    taken = [
        (int(expiry), int(count))
        for expiry, count in _SLOT.iter_unpack(state[1:])
        if expiry > now_us
    ]
    return sum(count for _, count in taken), max(
        (expiry for expiry, _ in taken), default=0
    ) - now_us


_READERS = {1: _window, 2: _window, 3: _window, 4: _sliding, 5: _bucket, 6: _slots}
