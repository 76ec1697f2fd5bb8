"""Metrics of the engine of Rego policies."""

from collections.abc import Iterable, Iterator

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

from authz.opa.engine import Engine


class RegoCollector(Collector):
    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def describe(self) -> Iterable[Metric]:
        """Names for the registry to keep apart."""
        yield _family()

    def collect(self) -> Iterator[Metric]:
        family = _family()
        family.add_metric([], self._engine.replaced)
        yield family


def _family() -> CounterMetricFamily:
    return CounterMetricFamily(
        "tollhouse_rego_processes_replaced",
        "Processes for policies that overran their time or ended.",
    )
