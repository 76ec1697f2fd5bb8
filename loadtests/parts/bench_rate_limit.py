"""Native rate limit decisions called from Python, beside the constant answer called likewise."""

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from _fastpath.cells import Series
from _fastpath.constant import ConstantAnswer
from _fastpath.counters import CounterTable
from _fastpath.header_spec import NO_HEADERS, HeaderFamily, HeaderSpec
from _fastpath.limit_index import limit_index, limit_set
from _fastpath.limit_spec import Algorithm, LimitSpec, Quota
from _fastpath.metric_labels import label_set
from _fastpath.plan import Plans
from _fastpath.program import NativeProgram, ProgramBuilder
from _fastpath.rls import RateLimitDecider
from expressions.cel import Context, compile_expression
from loadtests.contenders import UNLIMITED, rate_limit_request

REQUEST = rate_limit_request()


def entry(key: str) -> NativeProgram:
    """`descriptors[0].key`."""
    builder = ProgramBuilder()
    first = builder.node("index", builder.node("root", slot=0), builder.constant(0))
    builder.node("select", first, text=key)
    return builder.finish()


def decider(
    limits: int, *, headers: HeaderSpec = NO_HEADERS, cost: str | None = None, labels: int = 0
) -> RateLimitDecider:
    """The request meets the first of these limits; its counters have so many labels."""
    series, plans = Series(1), Plans(1)
    specs = [
        LimitSpec(
            number.to_bytes(16, "big"),
            Quota(Algorithm.FIXED_WINDOW, UNLIMITED, 60 * 10**9),
            equalities=((0, "req.method", "GET"), (0, "req.path", path)),
            variables=(entry("user_id"),),
            cost=(compile_expression(cost, Context.LIMIT_COST, strict=True).native,)
            if cost
            else (),
        )
        for number, path in enumerate(["/toys", *(f"/p{n}" for n in range(1, limits))])
    ]
    named = [(f"label{n}", entry("user_id")) for n in range(labels)]
    plans.publish(
        limit_index({"bench": limit_set("bench", specs, series)}),
        None,
        label_set(named, None, True) if labels else None,
    )
    return RateLimitDecider(
        plans, CounterTable(), series, headers=headers, statuses=True, max_labeled_series=1000
    )


def bench_constant_answer(benchmark: BenchmarkFixture) -> None:
    benchmark(ConstantAnswer(b"\x08\x01", 1), REQUEST, 1, 1)


@pytest.mark.parametrize("limits", [1, 10, 10_000])
def bench_should_rate_limit(benchmark: BenchmarkFixture, limits: int) -> None:
    benchmark(decider(limits).should_rate_limit, REQUEST, 1, 1)


@pytest.mark.parametrize("cost", ["5", "hits * 10", "size(descriptors[0].user_id) + hits"])
def bench_should_rate_limit_with_a_cost(benchmark: BenchmarkFixture, cost: str) -> None:
    benchmark(decider(1, cost=cost).should_rate_limit, REQUEST, 1, 1)


@pytest.mark.parametrize("labels", [1, 4])
def bench_should_rate_limit_with_metric_labels(benchmark: BenchmarkFixture, labels: int) -> None:
    benchmark(decider(1, labels=labels).should_rate_limit, REQUEST, 1, 1)


@pytest.mark.parametrize("family", [family for family in HeaderFamily if family])
def bench_should_rate_limit_with_headers(benchmark: BenchmarkFixture, family: HeaderFamily) -> None:
    headers = HeaderSpec(family, retry_after=True)
    benchmark(decider(1, headers=headers).should_rate_limit, REQUEST, 1, 1)


@pytest.mark.parametrize("namespaces", [1, 10_000])
def bench_publish_one_changed_namespace(benchmark: BenchmarkFixture, namespaces: int) -> None:
    """What a reload of one namespace costs, however many others there are."""
    series, plans = Series(1), Plans(1)
    sets = {f"ns{n}": limit_set(f"ns{n}", [], series) for n in range(namespaces)}
    index = limit_index(sets)
    changed = {"ns0": limit_set("ns0", [], series)}
    benchmark(lambda: plans.publish(limit_index(changed, index), None))
