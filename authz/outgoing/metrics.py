"""Metrics of outgoing calls."""

from collections import Counter
from collections.abc import Iterable, Iterator

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from authz.outgoing.client import Outgoing


class OutgoingCollector(Collector):
    """Of all clients together. Destinations get a label only while their circuit is open, and they
    are bounded then too."""

    def __init__(self, *clients: Outgoing) -> None:
        self._clients = clients

    def describe(self) -> Iterable[Metric]:
        """Names for the registry to keep apart."""
        return _families()

    def collect(self) -> Iterator[Metric]:
        calls, opened, open_now = _families()
        outcomes = sum((client.outcomes for client in self._clients), Counter())
        for outcome, number in sorted(outcomes.items()):
            calls.add_metric([outcome], number)
        opened.add_metric([], sum(client.destinations.opened() for client in self._clients))
        for client in self._clients:
            for scheme, host, port in client.destinations.open_circuits():
                open_now.add_metric([f"{scheme}://{host}:{port}"], 1)
        yield from (calls, opened, open_now)


def _families() -> tuple[CounterMetricFamily, CounterMetricFamily, GaugeMetricFamily]:
    return (
        CounterMetricFamily(
            "tollhouse_outgoing_calls", "Calls of evaluators by outcome.", labels=["outcome"]
        ),
        CounterMetricFamily(
            "tollhouse_outgoing_circuits_opened", "How often a destination was given a rest."
        ),
        GaugeMetricFamily(
            "tollhouse_outgoing_circuit_open",
            "1 for destinations that are not called because they failed too often.",
            labels=["destination"],
        ),
    )
