"""What goes to `decide.lua` and comes back, as bytes; its head states the formats.

The reference for the native encoder, and what the full lane uses. Times become microseconds here
and numbers saturate below 2^53, the integers that Redis' Lua counts exactly.
"""

import struct
from collections.abc import Iterable, Sequence
from enum import IntEnum
from typing import NamedTuple

from _fastpath.clock import Clock
from _fastpath.counters import Hit, Mode, Verdict
from _fastpath.limit_spec import Quota
from _fastpath.store_batch import Group
from ratelimit.redis.key import RedisKey

MOST = 2**53 - 1
LONGEST_WINDOW_US = 2**51 - 1
"""Over 71 years: the end of the window after the next one stays below 2^53."""
NEVER_NS = 2**63 - 1

BINDING = 1
ALWAYS = 2
GIVE_BACK = 4
SET = 16

_HEAD = struct.Struct("<BBH")
_COUNTER = struct.Struct("<BB6x8d")
_ANSWER = struct.Struct("<B7x5d")


class Status(IntEnum):
    """What became of a decision."""

    FITS = 0
    REFUSED = 1
    FAILED = 2
    """A key holds something that is no counter; nothing was charged."""


class Answer(NamedTuple):
    """One decision as the script answered it.

    granted: leases, one per counter. window_ends_us: the running window's end by the server's
    clock, 0 where the algorithm has none. All three sequences are empty when it failed.
    """

    status: Status
    verdicts: list[Verdict]
    granted: list[int]
    window_ends_us: list[int]


def encode_decision(
    hits: Sequence[Hit], mode: Mode, clock: Clock, leases: Sequence[int] = ()
) -> bytes:
    """leases: wanted per hit; () for none."""
    parts = [_HEAD.pack(mode, 0, len(hits))]
    for index, hit in enumerate(hits):
        flags = hit.binding * BINDING | hit.always * ALWAYS | (hit.delta < 0) * GIVE_BACK
        lease = leases[index] if leases else 0
        parts.append(_counter(hit.quota, flags, abs(hit.delta), clock, lease))
    return b"".join(parts)


def encode_set(quota: Quota, value: int, clock: Clock) -> bytes:
    """The decision that gives one counter this value."""
    return _HEAD.pack(Mode.ADD, 0, 1) + _counter(quota, SET, value, clock, 0)


def _counter(quota: Quota, flags: int, amount: int, clock: Clock, lease: int) -> bytes:
    return _COUNTER.pack(
        quota.algorithm,
        flags,
        min(amount, MOST),
        min(quota.max_value, MOST),
        window_us(quota),
        min(quota.burst, MOST),
        *_calendar_us(quota, clock),
        lease,
    )


def window_us(quota: Quota) -> int:
    return min(-(-quota.window_ns // 1000), LONGEST_WINDOW_US)


def _calendar_us(quota: Quota, clock: Clock) -> tuple[int, int, int]:
    """Start and end of the calendar window by this process's clock, and the end of the next."""
    if quota.calendar is None:
        return 0, 0, 0
    start, end = quota.calendar.window(clock.wall_ns)
    _, next_end = quota.calendar.window(end)
    return start // 1000, end // 1000, next_end // 1000


def decode_reply(reply: bytes, counts: Iterable[int]) -> list[Answer]:
    """counts: counters of each decision. Raises ValueError for a reply of another shape."""
    answers = []
    at = 0
    try:
        for count in counts:
            status, _, told = _HEAD.unpack_from(reply, at)
            if told != count:
                raise ValueError(f"expected {count} counters, got {told}")
            at += _HEAD.size
            answers.append(_answer(Status(status), reply, at, count))
            at += _ANSWER.size * count
    except struct.error as error:
        raise ValueError("the reply is cut off") from error
    if at != len(reply):
        raise ValueError(f"{len(reply) - at} bytes follow the reply")
    return answers


def _answer(status: Status, reply: bytes, at: int, count: int) -> Answer:
    answer = Answer(status, [], [], [])
    for index in range(count):
        fits, remaining, reset, retry, granted, window_end = _ANSWER.unpack_from(
            reply, at + index * _ANSWER.size
        )
        if status is Status.FAILED:
            continue
        retry_ns = NEVER_NS if retry < 0 else int(retry) * 1000
        answer.verdicts.append(Verdict(bool(fits), int(remaining), int(reset) * 1000, retry_ns))
        answer.granted.append(int(granted))
        answer.window_ends_us.append(int(window_end))
    return answer


def bulk(text: bytes) -> bytes:
    """A RESP bulk string."""
    return b"$%d\r\n%s\r\n" % (len(text), text)


def command(*parts: bytes) -> bytes:
    """A RESP command."""
    return b"*%d\r\n" % len(parts) + b"".join(map(bulk, parts))


def one_decision(key: RedisKey, decision: bytes) -> Group:
    """A decision over one counter, by the server's time."""
    return Group(key.tag, 1, 1, bulk(key.text) + bulk(b"") + bulk(decision))


def evalsha(sha: bytes, group: Group) -> tuple[bytes, bytes]:
    """The command that decides a group, as its head and its body."""
    head = b"*%d\r\n" % (4 + group.numkeys + group.decisions)
    return head + bulk(b"EVALSHA") + bulk(sha) + bulk(b"%d" % group.numkeys), group.body
