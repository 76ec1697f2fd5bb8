"""How full the table of remembered results is, read at scrape."""

from collections.abc import Iterable, Iterator

from prometheus_client import Metric
from prometheus_client.metrics_core import GaugeMetricFamily
from prometheus_client.registry import Collector

from _fastpath.remembered import RememberedTable


class RememberedCollector(Collector):
    def __init__(self, table: RememberedTable) -> None:
        self._table = table

    def describe(self) -> Iterable[Metric]:
        return _families()

    def collect(self) -> Iterator[Metric]:
        results, held = _families()
        results.add_metric([], len(self._table))
        held.add_metric([], self._table.bytes_held)
        yield from (results, held)


def _families() -> tuple[GaugeMetricFamily, GaugeMetricFamily]:
    return (
        GaugeMetricFamily(
            "tollhouse_remembered_results", "Verified tokens and cached results held."
        ),
        GaugeMetricFamily("tollhouse_remembered_bytes", "Memory they take, roughly."),
    )
