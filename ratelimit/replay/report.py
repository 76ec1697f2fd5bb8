"""What a replay found, as plain data that table, JSON and page are made of."""

from collections import Counter
from datetime import UTC, datetime

import msgspec

from ratelimit.replay.access_log import SECOND_NS
from ratelimit.replay.simulation import LimitTally, Simulation

WORST_KEYS = 10
ENOUGH = 0.999  # of the windows: the suggested value lets these pass whole


class Step(msgspec.Struct, frozen=True):
    """start: RFC 3339, UTC."""

    start: str
    passed: int
    refused: int


class WorstKey(msgspec.Struct, frozen=True):
    """values: by the source of their variable."""

    values: dict[str, str]
    refused: int


class LimitReport(msgspec.Struct, frozen=True):
    """suggested_value: the smallest max_value with which 99.9 % of all windows of single keys would
    have passed whole; None without traffic. windows: how many those were."""

    name: str | None
    max_value: int
    window_seconds: float
    conditions: tuple[str, ...]
    variables: tuple[str, ...]
    requests: int
    hits: int
    refused: int
    windows: int
    suggested_value: int | None
    step_seconds: float
    over_time: tuple[Step, ...]
    worst_keys: tuple[WorstKey, ...]


class Report(msgspec.Struct, frozen=True):
    """lines: of the logs; skipped: those that could not be read. refused: requests that at least
    one limit would have refused. late: requests out of order. unmapped: entries that limits read
    and no request had."""

    namespace: str
    first: str | None
    last: str | None
    lines: int
    skipped: int
    requests: int
    refused: int
    late: int
    unmapped: tuple[str, ...]
    limits: tuple[LimitReport, ...]


def report(
    namespace: str, simulation: Simulation, *, lines: int, skipped: int, unmapped: tuple[str, ...]
) -> Report:
    """Of a simulation that was closed."""
    first = simulation.first_ns
    return Report(
        namespace=namespace,
        first=None if first is None else timestamp(first),
        last=None if first is None else timestamp(simulation.last_ns),
        lines=lines,
        skipped=skipped,
        requests=simulation.requests,
        refused=simulation.refused,
        late=simulation.late,
        unmapped=unmapped,
        limits=tuple(_limit(tally) for tally in simulation.tallies.values()),
    )


def _limit(tally: LimitTally) -> LimitReport:
    limit = tally.limit.limit
    worst = sorted(tally.refused_keys.items(), key=lambda item: (-item[1], item[0]))[:WORST_KEYS]
    return LimitReport(
        name=limit.name,
        max_value=limit.max_value,
        window_seconds=limit.window_ns / SECOND_NS,
        conditions=limit.conditions,
        variables=limit.variables,
        requests=tally.requests,
        hits=tally.hits,
        refused=tally.refused,
        windows=tally.demand.total(),
        suggested_value=suggestion(tally.demand),
        step_seconds=tally.timeline.step_ns / SECOND_NS,
        over_time=tuple(Step(timestamp(at), *counts) for at, *counts in tally.timeline.steps()),
        worst_keys=tuple(
            WorstKey(dict(zip(limit.variables, values, strict=False)), refused)
            for values, refused in worst
        ),
    )


def suggestion(demand: Counter[int]) -> int | None:
    """The smallest demand that at least ENOUGH of the windows do not exceed."""
    left = demand.total() * ENOUGH
    for asked in sorted(demand):
        left -= demand[asked]
        if left <= 0:
            return asked
    return None


def timestamp(wall_ns: int) -> str:
    moment = datetime.fromtimestamp(wall_ns // SECOND_NS, UTC)
    return moment.isoformat().replace("+00:00", "Z")
