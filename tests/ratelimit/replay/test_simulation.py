"""Recorded traffic through limits: what is refused, by whom, when, and what is suggested."""

import asyncio
from collections.abc import Iterable, Sequence

import pytest

from _fastpath.cells import Series
from ratelimit.configuration import Configuration, build
from ratelimit.limitador_file import parse
from ratelimit.replay.access_log import Record
from ratelimit.replay.errors import ReplayError
from ratelimit.replay.mapping import mapping
from ratelimit.replay.report import Report, report
from ratelimit.replay.simulation import Simulation
from ratelimit.replay.timeline import MOST_STEPS, Timeline

SECOND_NS = 10**9
START = 1_772_366_400 * SECOND_NS
PER_USER = """
- namespace: toys
  name: per user
  max_value: 2
  seconds: 10
  conditions: ["descriptors[0].method == 'GET'"]
  variables: ["descriptors[0].user_id"]
"""


def configuration(text: str) -> Configuration:
    return build(parse(text, "limits.yaml").limits, (), Series(1))


def replay(
    text: str, records: Iterable[Record], given: Sequence[str] = (), hits: str | None = None
) -> Report:
    limits = configuration(text)
    simulation = Simulation(limits, "toys", mapping(limits.limits("toys"), given, hits))

    async def feed() -> None:
        for record in records:
            await simulation.feed(record)

    asyncio.run(feed())
    simulation.close()
    return report("toys", simulation, lines=0, skipped=0, unmapped=())


def get(second: float, user: str, **fields: str) -> Record:
    wall_ns = START + int(second * SECOND_NS)
    return Record(wall_ns, {"method": "GET", "user": user, **fields})


def test_window_follows_the_clock_of_the_log() -> None:
    made = replay(PER_USER, [get(t, "ann") for t in (0, 1, 2, 9.9, 10, 11, 12)])
    (limit,) = made.limits
    assert (made.requests, made.refused) == (7, 3)
    assert (limit.requests, limit.hits, limit.refused) == (7, 7, 3)
    assert [step.refused for step in limit.over_time] == [0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 1]
    assert made.first == "2026-03-01T12:00:00Z"
    assert made.last == "2026-03-01T12:00:12Z"


def test_worst_keys_and_suggested_value() -> None:
    records = [get(0, "ann")] * 5 + [get(0, "bob")] * 3 + [get(0, "cid")]
    (limit,) = replay(PER_USER, records).limits
    assert [(key.values, key.refused) for key in limit.worst_keys] == [
        ({"descriptors[0].user_id": "ann"}, 3),
        ({"descriptors[0].user_id": "bob"}, 1),
    ]
    assert limit.windows == 3
    assert limit.suggested_value == 5


def test_suggestion_passes_over_the_last_in_a_thousand() -> None:
    records = [get(0, f"user-{n}") for n in range(1999)] + [get(0, "robot")] * 50
    (limit,) = replay(PER_USER, records).limits
    assert limit.suggested_value == 1


def test_requests_out_of_order_are_counted_and_made_late() -> None:
    made = replay(PER_USER, [get(5, "ann"), get(0, "ann"), get(14.9, "ann")])
    assert made.late == 1
    assert made.refused == 1


def test_hits_come_from_a_field() -> None:
    records = [get(0, "ann", tokens="2"), get(0, "ann", tokens="x"), get(0, "ann")]
    (limit,) = replay(PER_USER, records, hits="tokens").limits
    assert (limit.hits, limit.refused) == (4, 2)


def test_given_field_beats_what_is_called_alike() -> None:
    records = [get(0, "ann", account="shop"), get(0, "bob", account="shop")] * 2
    assert replay(PER_USER, records).refused == 0
    assert replay(PER_USER, records, ["user_id=account"]).refused == 2
    assert replay(PER_USER, records, ["0:user_id=account"]).refused == 2


@pytest.mark.parametrize("text", ["user_id", "=x", "user_id=", "64:a=b", "0:=b"])
def test_unusable_mapping_is_refused(text: str) -> None:
    with pytest.raises(ReplayError, match="expected KEY=FIELD"):
        mapping((), [text], None)


def test_timeline_keeps_its_steps_bounded_and_loses_nothing() -> None:
    timeline = Timeline()
    for second in range(0, 100_000, 7):
        timeline.note(START + second * SECOND_NS, refused=second % 2 == 1)
    steps = list(timeline.steps())
    assert len(steps) <= MOST_STEPS
    assert sum(passed + refused for _, passed, refused in steps) == len(range(0, 100_000, 7))
    assert timeline.step_ns == 512 * SECOND_NS
