"""Metrics of the place where counters live, under Limitador's names."""

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from ratelimit.state import CounterState


class MemoryCollector(Collector):
    def collect(self) -> Iterator[Metric]:
        yield partitioned_gauge(False)


class StateCollector(Collector):
    """Of counters in memory with a state file."""

    def __init__(self, state: CounterState) -> None:
        self._state = state

    def collect(self) -> Iterator[Metric]:
        yield partitioned_gauge(False)
        for name, text, value in (
            ("ratelimit_state_written", "Counters written to the state file", self._state.written),
            ("ratelimit_state_failures", "Failures of the state file", self._state.failures),
        ):
            yield CounterMetricFamily(name, text, value=value)
        yield GaugeMetricFamily(
            "ratelimit_state_unwritten",
            "Changed counters that wait for a state file that cannot be written",
            value=self._state.unwritten,
        )


def partitioned_gauge(partitioned: bool) -> Metric:
    text = "Limitador is partitioned from backing datastore"
    return GaugeMetricFamily("datastore_partitioned", text, value=partitioned)
