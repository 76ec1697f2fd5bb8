"""Metrics of the place where counters live, under Limitador's names."""

from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily, Metric, SummaryMetricFamily
from prometheus_client.registry import Collector

from ratelimit.redis.health import Health, State


class MemoryCollector(Collector):
    def collect(self) -> Iterator[Metric]:
        yield _partitioned(False)


class RedisCollector(Collector):
    def __init__(self, health: Health) -> None:
        self._health = health

    def collect(self) -> Iterator[Metric]:
        yield _partitioned(self._health.state is State.DOWN)
        counts = self._health.counts
        yield SummaryMetricFamily(
            "datastore_latency",
            "Latency to the underlying counter datastore",
            count_value=counts.batches,
            sum_value=counts.seconds,
        )


def _partitioned(partitioned: bool) -> Metric:
    text = "Limitador is partitioned from backing datastore"
    return GaugeMetricFamily("datastore_partitioned", text, value=partitioned)
