"""decide.lua against the model of the counter table, by a clock of its own."""

import pytest
import redis
from hypothesis import given, settings
from hypothesis import strategies as st

from _fastpath.calendar import Calendar, Period
from _fastpath.clock import Clock
from _fastpath.counters import Hit, Mode, Verdict
from _fastpath.limit_spec import Algorithm, Quota
from ratelimit.redis.key import HashTag, redis_key
from ratelimit.redis.link import DECIDE
from ratelimit.redis.wire import NEVER_NS, Answer, decode_reply, encode_decision
from tests.fastpath.counter_model import CounterModel, passed
from tests.redis.servers import RedisServer

BEGIN_NS = 1_795_000_000_000_000_000
SMALL = st.integers(0, 12)
WINDOWS_US = st.sampled_from([0, 1000, 7001, 1_000_003, 60_000_000, 2_592_000_000_000])
CALENDARS = [Calendar(Period.MINUTE), Calendar(Period.DAY, "Europe/Berlin")]
Step = tuple[int, Mode, list[tuple[int, int, bool, bool]]]


@st.composite
def quotas(draw: st.DrawFn, algorithm: Algorithm) -> Quota:
    large = draw(st.booleans())
    most = draw(st.integers(2**35, 2**45) if large else st.integers(1, 30))
    size = draw(WINDOWS_US) * 1000
    if algorithm is Algorithm.CONCURRENCY:
        size -= size % 32_000  # slices are whole nanoseconds there, whole microseconds here
    if algorithm is Algorithm.CALENDAR_WINDOW:
        return Quota(algorithm, most, size, calendar=draw(st.sampled_from(CALENDARS)))
    if algorithm is Algorithm.TOKEN_BUCKET:
        return Quota(algorithm, most, size, burst=draw(st.sampled_from([0, 1, most, 3 * most])))
    return Quota(algorithm, most, size)


@st.composite
def stories(draw: st.DrawFn, algorithm: Algorithm) -> tuple[list[Quota], list[Step]]:
    """A counter of this algorithm and one of any, and what happens to them: microseconds later,
    mode, hits. Mostly hits that fill a counter, at instants within reach of its windows."""
    counters = [draw(quotas(algorithm)), draw(quotas(draw(st.sampled_from(Algorithm))))]
    steps = []
    for _ in range(draw(st.integers(1, 10))):
        hits = []
        for index in draw(st.sampled_from([[0], [0], [1], [0, 1]])):
            most = counters[index].max_value
            delta = draw(
                st.one_of(
                    st.integers(max(most - 2, 0), most),
                    st.integers(0, most // 2),
                    st.integers(-4, 4),
                    st.just(most + 1),
                )
            )
            hits.append((index, delta, draw(st.booleans()), draw(st.integers(0, 4)) == 0))
        reach = counters[hits[0][0]].window_ns // 1000
        later = draw(st.one_of(st.just(0), st.integers(0, 2 * reach), st.integers(0, reach), SMALL))
        steps.append((later, draw(st.sampled_from(Mode)), hits))
    return counters, steps


class Script:
    """Asks a server directly. Several decisions are one batch."""

    def __init__(self, client: "redis.Redis[bytes]") -> None:
        self._client = client
        self._decide = client.register_script(DECIDE)

    def ask(self, decisions: list[tuple[list[Hit], Mode]], clock: Clock) -> list[Answer]:
        keys = [
            redis_key("tests", hit.limit_digest, hit.values, HashTag.NAMESPACE).text
            for hits, _ in decisions
            for hit in hits
        ]
        packed = [encode_decision(hits, mode, clock) for hits, mode in decisions]
        reply = self._decide(keys, [b"%d" % (clock.wall_ns // 1000), *packed])
        return decode_reply(reply, [len(hits) for hits, _ in decisions])


def in_microseconds(verdict: Verdict) -> Verdict:
    """The model counts nanoseconds; what it tells comes true at the next microsecond."""
    never = verdict.retry_ns == NEVER_NS
    return verdict._replace(
        reset_ns=-(-verdict.reset_ns // 1000) * 1000,
        retry_ns=NEVER_NS if never else -(-verdict.retry_ns // 1000) * 1000,
    )


@pytest.mark.slow
@pytest.mark.parametrize("algorithm", Algorithm)
@settings(max_examples=25)
@given(data=st.data())
def test_any_story_is_told_as_in_memory(
    shared_server: RedisServer, algorithm: Algorithm, data: st.DataObject
) -> None:
    counters, steps = data.draw(stories(algorithm))
    batched = data.draw(st.booleans())
    model = CounterModel()
    with shared_server.client() as client:
        client.flushall()
        script = Script(client)
        clock = Clock(BEGIN_NS, BEGIN_NS)
        waiting: list[tuple[list[Hit], Mode]] = []
        expected: list[list[Verdict]] = []
        for later, mode, hits in steps:
            if waiting and (later or not batched):
                assert [answer.verdicts for answer in script.ask(waiting, clock)] == expected
                waiting, expected = [], []
            clock = passed(clock, later * 1000)
            asked = [
                Hit(bytes([index]) * 16, counters[index], ("v",), delta, binding, always)
                for index, delta, binding, always in hits
            ]
            waiting.append((asked, mode))
            verdicts = model.check_and_add(asked, clock, mode)
            expected.append([in_microseconds(verdict) for verdict in verdicts])
        assert [answer.verdicts for answer in script.ask(waiting, clock)] == expected
