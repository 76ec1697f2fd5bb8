"""What `tollhouse top` reads from a server, and what two readings tell together."""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families

from tollhouse.server_access import Server, ServerError

NEAR = 0.8  # of a limit: from here on a key is near it
NEAR_LIMITS = 10  # limits whose counters are looked at
NEAR_KEYS = 20
PAGE = 100

LimitName = tuple[str, str]  # namespace, name


@dataclass(frozen=True, slots=True)
class Sample:
    """Sums since the server's start. at: monotonic seconds."""

    at: float
    calls: Mapping[LimitName, float]
    refused: Mapping[LimitName, float]
    single: Mapping[str, float]
    """Every metric, without `_total`, summed over its labels."""
    ready: bool


@dataclass(frozen=True, slots=True)
class LimitRate:
    """calls, refused: since the server's start."""

    namespace: str
    limit: str
    calls_per_second: float
    refused_per_second: float
    refused_share: float
    calls: int
    refused: int


@dataclass(frozen=True, slots=True)
class NearKey:
    """A key whose counter has reached `NEAR` of its limit."""

    namespace: str
    limit: str
    variables: dict[str, str]
    value: int
    max_value: int
    share: float
    expires_in_seconds: int


@dataclass(frozen=True, slots=True)
class Lanes:
    """Calls per second over gRPC, of authorization too: decided natively, by the interpreter, and
    refused because too many waited."""

    native_per_second: float
    full_per_second: float
    overloaded_per_second: float


@dataclass(frozen=True, slots=True)
class Counters:
    """The counters of the process and, with Redis or a state file, how those are."""

    held: int
    bytes: int
    evicted_per_second: float
    store_reachable: bool
    state_unwritten: int


@dataclass(frozen=True, slots=True)
class View:
    """near: None where the server does not let us look; `near_problem` says why."""

    server: str
    interval_seconds: float
    ready: bool
    decided_per_second: float
    refused_per_second: float
    refused_share: float
    limits: list[LimitRate]
    near: list[NearKey]
    near_problem: str
    lanes: Lanes
    counters: Counters


async def sample(server: Server) -> Sample:
    """Raises ServerError."""
    text = await server.text("metrics")
    calls: dict[LimitName, float] = {}
    refused: dict[LimitName, float] = {}
    single: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        for found in family.samples:
            # The parser gives counters that ending, whether the server did or not.
            name = found.name.removesuffix("_total")
            single[name] = single.get(name, 0) + found.value
            side = {"ratelimit_limit_calls": calls, "ratelimit_limit_refused": refused}.get(name)
            if side is not None:
                place = found.labels.get("namespace", ""), found.labels.get("limit_name", "")
                side[place] = side.get(place, 0) + found.value
    try:
        await server.text("readyz")
    except ServerError:
        ready = False
    else:
        ready = True
    return Sample(time.monotonic(), calls, refused, single, ready)


def view(server: str, before: Sample, after: Sample, near: Sequence[NearKey], problem: str) -> View:
    seconds = max(after.at - before.at, 1e-9)

    def rate(name: str) -> float:
        return _grown(before.single.get(name, 0), after.single.get(name, 0)) / seconds

    refused = rate("limited_calls")
    decided = rate("authorized_calls") + refused
    single = after.single
    return View(
        server=server,
        interval_seconds=round(seconds, 3),
        ready=after.ready,
        decided_per_second=decided,
        refused_per_second=refused,
        refused_share=refused / decided if decided else 0.0,
        limits=_limits(before, after, seconds),
        near=list(near),
        near_problem=problem,
        lanes=Lanes(
            native_per_second=rate("tollhouse_grpc_calls_answered_natively"),
            full_per_second=rate("tollhouse_grpc_calls_handed_over"),
            overloaded_per_second=rate("tollhouse_grpc_calls_overloaded"),
        ),
        counters=Counters(
            held=int(single.get("ratelimit_counters", 0)),
            bytes=int(single.get("ratelimit_counter_bytes", 0)),
            evicted_per_second=rate("ratelimit_counters_evicted"),
            store_reachable=not single.get("datastore_partitioned", 0),
            state_unwritten=int(single.get("ratelimit_state_unwritten", 0)),
        ),
    )


def _limits(before: Sample, after: Sample, seconds: float) -> list[LimitRate]:
    """The busiest first."""
    found = []
    for place, calls in after.calls.items():
        asked = _grown(before.calls.get(place, 0), calls)
        refused_before = before.refused.get(place, 0)
        refused = _grown(refused_before, after.refused.get(place, 0))
        found.append(
            LimitRate(
                *place,
                calls_per_second=asked / seconds,
                refused_per_second=refused / seconds,
                refused_share=refused / asked if asked else 0.0,
                calls=int(calls),
                refused=int(after.refused.get(place, 0)),
            )
        )
    return sorted(found, key=lambda r: (-r.calls_per_second, -r.calls, r.namespace, r.limit))


def _grown(before: float, after: float) -> float:
    """A smaller sum is that of a server that began anew."""
    return after - before if after >= before else after


async def near_keys(server: Server, busiest: Iterable[LimitName]) -> list[NearKey]:
    """Keys near their limit, nearest first, of the first few limits. Raises ServerError."""
    found: list[NearKey] = []
    wanted: dict[str, list[str]] = {}
    for namespace, name in list(busiest)[:NEAR_LIMITS]:
        wanted.setdefault(namespace, []).append(name)
    for namespace, names in wanted.items():
        limits = await server.limits(namespace)
        for name in names:
            most = [limit["max_value"] for limit in limits if (limit["name"] or "") == name]
            if any(most):
                over = max(int(NEAR * min(filter(None, most))) - 1, 0)
                query = {"limit": name, "value_over": str(over)}
                page = await server.page_of_counters(namespace, query, PAGE)
                found += [_near(namespace, name, c) for c in page if c["limit"]["max_value"]]
    near = [key for key in found if key.share >= NEAR]
    return sorted(near, key=lambda key: (-key.share, -key.value))[:NEAR_KEYS]


def _near(namespace: str, name: str, counter: Mapping[str, object]) -> NearKey:
    limit, value = counter["limit"], counter["value"]
    variables, left = counter["set_variables"], counter["expires_in_seconds"]
    assert isinstance(limit, dict)
    assert isinstance(variables, dict)
    assert isinstance(value, int)
    assert isinstance(left, int)
    most = limit["max_value"]
    return NearKey(namespace, name, variables, value, most, value / most, left)
