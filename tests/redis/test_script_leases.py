"""What decide.lua grants and takes back of leases."""

from collections.abc import Sequence

import pytest
import redis

from _fastpath.clock import Clock
from _fastpath.counters import Hit, Mode
from _fastpath.limit_spec import Algorithm, Quota
from ratelimit.redis.key import HashTag, redis_key
from ratelimit.redis.link import DECIDE
from ratelimit.redis.wire import Answer, Status, decode_reply, encode_decision

MINUTE_US = 60_000_000
NOW_US = 1_795_000_020_000_000
LEASE_BACK = 4 | 8


class Script:
    def __init__(self, client: "redis.Redis[bytes]", quota: Quota) -> None:
        self._decide = client.register_script(DECIDE)
        self._quota = quota

    def hit(
        self,
        amount: int,
        wanted: int = 0,
        *,
        mode: Mode = Mode.CHECK_AND_ADD,
        at_us: int = NOW_US,
        flags: int | None = None,
    ) -> Answer:
        hits: Sequence[Hit] = [Hit(b"l" * 16, self._quota, (), amount)]
        decision = bytearray(encode_decision(hits, mode, Clock(0, at_us * 1000), [wanted]))
        if flags is not None:
            decision[5] = flags
        key = redis_key("tests", b"l" * 16, (), HashTag.NAMESPACE)
        reply = self._decide([key.text], [b"%d" % at_us, bytes(decision)])
        (answer,) = decode_reply(reply, [1])
        return answer

    def left(self, at_us: int = NOW_US) -> int:
        return self.hit(0, mode=Mode.CHECK, at_us=at_us).verdicts[0].remaining


@pytest.fixture
def script(client: "redis.Redis[bytes]") -> Script:
    return Script(client, Quota(Algorithm.FIXED_WINDOW, 1000, MINUTE_US * 1000))


def test_lease_is_at_most_an_eighth_of_what_remains(script: Script) -> None:
    answer = script.hit(200, 1000)
    assert answer.granted == [100]
    assert answer.window_ends_us == [NOW_US + MINUTE_US]
    assert script.left() == 700
    assert script.hit(0, 20).granted == [20]


def test_last_of_a_limit_is_not_leased(script: Script) -> None:
    assert script.hit(936, 1000).granted == [8]
    assert script.hit(0, 1000).granted == [0]


@pytest.mark.parametrize("mode", [Mode.CHECK_AND_ADD, Mode.CHECK])
def test_decision_that_charges_nothing_grants_nothing(script: Script, mode: Mode) -> None:
    amount = 1001 if mode is Mode.CHECK_AND_ADD else 1
    assert script.hit(amount, 100, mode=mode).granted == [0]
    assert script.left() == 1000


def test_slots_in_flight_are_not_leased(client: "redis.Redis[bytes]") -> None:
    script = Script(client, Quota(Algorithm.CONCURRENCY, 1000, MINUTE_US * 1000))
    assert script.hit(1, 100).granted == [0]


def test_lease_comes_back_in_its_window(script: Script) -> None:
    (window_end,) = script.hit(0, 100).window_ends_us
    script.hit(40, window_end, mode=Mode.ADD, flags=LEASE_BACK)
    assert script.left() == 940


def test_lease_of_an_older_window_does_not_come_back(script: Script) -> None:
    (window_end,) = script.hit(0, 100).window_ends_us
    later = NOW_US + MINUTE_US
    assert script.hit(50, mode=Mode.ADD, flags=LEASE_BACK, at_us=later).status is Status.FITS
    script.hit(300, at_us=later)
    script.hit(100, window_end, mode=Mode.ADD, flags=LEASE_BACK, at_us=later)
    assert script.left(later) == 700
