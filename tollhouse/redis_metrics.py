"""Metrics of counters on Redis; some under Limitador's names."""

from collections.abc import Iterator, Mapping
from itertools import accumulate

from prometheus_client.core import (
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
    SummaryMetricFamily,
)
from prometheus_client.registry import Collector

from _fastpath.store_batch import StoreBatches, StoreStats
from _fastpath.verbatim_counter import VERBATIM_COUNTER
from ratelimit.redis.health import BUCKETS_SECONDS, Counts, Health, State
from tollhouse.storage_metrics import partitioned_gauge


class RedisCollector(Collector):
    """leased: also what Limitador tells of its cached storage, of which leases take the place."""

    def __init__(self, health: Health, batches: StoreBatches, *, leased: bool) -> None:
        self._health = health
        self._batches = batches
        self._leased = leased

    def collect(self) -> Iterator[Metric]:
        yield partitioned_gauge(self._health.state is not State.UP)
        counts, stats = self._health.counts, self._batches.stats()
        yield SummaryMetricFamily(
            "datastore_latency",
            "Latency to the underlying counter datastore",
            count_value=counts.batches,
            sum_value=counts.seconds,
        )
        below = list(accumulate(counts.latency))
        bounds = [*map(str, BUCKETS_SECONDS), "+Inf"]
        yield HistogramMetricFamily(
            "ratelimit_redis_batch_seconds",
            "From sending a batch to its reply",
            buckets=[(bound, float(count)) for bound, count in zip(bounds, below, strict=True)],
            sum_value=counts.seconds,
        )
        yield _counted("decisions", "Decisions that Redis answered", {"": counts.decisions})
        yield _counted("reconnects", "Attempts to reach Redis again", {"": counts.reconnects})
        yield _counted(
            "failures", "Decisions that Redis did not make", self._batches.failures, "reason"
        )
        policies = {policy.name.lower(): count for policy, count in stats.failed.items()}
        yield _counted("failed_hits", "Hits that followed a limit's fail", policies, "fail")
        nodes = GaugeMetricFamily("ratelimit_redis_nodes", "Nodes by state", labels=["state"])
        states = [state for _, state in self._health.nodes()]
        for state in State:
            nodes.add_metric([state.value], states.count(state))
        yield nodes
        yield _gauge("waiting", "Decisions that wait for a batch", stats.waiting)
        yield _gauge("leased_counters", "Counters that hold a lease", stats.leased_counters)
        yield _gauge("leased_hits", "Hits held in leases", stats.leased_units)
        if self._leased:
            yield from _of_a_cache(counts, stats)


def _of_a_cache(counts: Counts, stats: StoreStats) -> Iterator[Metric]:
    yield GaugeMetricFamily("batcher_size", "Decisions that wait for a batch", value=stats.waiting)
    yield GaugeMetricFamily("cache_size", "Counters that hold a lease", value=stats.leased_counters)
    yield SummaryMetricFamily(
        "batcher_flush_size",
        "Decisions per batch",
        count_value=counts.batches,
        sum_value=counts.decisions,
    )


def _counted(name: str, text: str, counts: Mapping[str, int], label: str = "") -> Metric:
    metric = Metric(f"ratelimit_redis_{name}", text, "counter")
    metric.type = VERBATIM_COUNTER
    for value, count in counts.items():
        metric.add_sample(metric.name, {label: value} if label else {}, count)
    return metric


def _gauge(name: str, text: str, value: int) -> Metric:
    return GaugeMetricFamily(f"ratelimit_redis_{name}", text, value=value)
