"""What the gRPC transport counts, for Prometheus."""

from collections.abc import Callable, Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

PREFIX = "tollhouse_grpc_"

COUNTERS = {
    "accepted": ("connections_accepted", "Connections accepted"),
    "closed": ("connections_closed", "Connections closed"),
    "calls": ("calls", "Calls begun"),
    "answered_native": ("calls_answered_natively", "Calls decided on an I/O thread"),
    "handed_over": ("calls_handed_over", "Calls handed to the interpreter"),
    "overloaded": ("calls_overloaded", "Calls refused because too many waited"),
    "refused": ("calls_refused", "Calls refused for their form or size"),
    "cancelled": ("calls_cancelled", "Calls cancelled by the peer"),
    "timed_out": ("calls_timed_out", "Calls whose deadline passed before the answer"),
    "abusive": ("connections_abusive", "Connections closed for exceeding a bound"),
    "suspended": ("calls_suspended", "Calls that waited for a result without the interpreter"),
    "failures": ("calls_failed", "Calls ended by an error of the server"),
}

GAUGES = {
    "connections": ("connections", "Connections open"),
    "request_bytes_held": ("request_bytes_held", "Request bytes held in memory"),
}


class TransportCollector(Collector):
    """Shows the counts of `stats` that have a name here."""

    def __init__(self, stats: Callable[[], dict[str, int]]) -> None:
        self._stats = stats

    def collect(self) -> Iterator[Metric]:
        for key, value in self._stats().items():
            if key in COUNTERS:
                name, text = COUNTERS[key]
                yield CounterMetricFamily(PREFIX + name, text, value=value)
            elif key in GAUGES:
                name, text = GAUGES[key]
                yield GaugeMetricFamily(PREFIX + name, text, value=value)
