"""Calls of Check under the names of Go's gRPC and Authorino's HTTP metrics.

gRPC calls are counted by their answers, whichever lane gave them: what is on its way is in none.
"""

from collections.abc import Iterable, Iterator

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

from _fastpath.cells import Series
from authz.durations import Durations, Histogram, add_samples

GRPC_SECONDS = "grpc_server_handling_seconds"
HTTP_SECONDS = "http_server_handling_seconds"
ANSWERS = "auth_server_response_status"
HTTP_ANSWERS = "http_server_handled_total"
METHOD = {
    "grpc_type": "unary",
    "grpc_service": "envoy.service.auth.v3.Authorization",
    "grpc_method": "Check",
}
COUNTERS = {
    "grpc_server_started": "Calls of Check that were answered.",
    "grpc_server_msg_received": "Requests of Check that were answered.",
    "grpc_server_msg_sent": "Answers of Check.",
}


class CallCollector(Collector):
    """Reads the series that both lanes count, and the durations of the full lane: a native answer
    counts in the least bucket, with no time. Any thread."""

    def __init__(self, series: Series, durations: Durations) -> None:
        self._series = series
        self._durations = durations

    def describe(self) -> Iterable[Metric]:
        """Names for the registry to keep apart, without reading any counter."""
        return self._metrics(0)

    def collect(self) -> Iterator[Metric]:
        over_http = answers = 0
        for key, total in self._series.totals().items():
            if isinstance(key, tuple):
                answers += total if key[0] == ANSWERS else 0
                over_http += total if key[0] == HTTP_ANSWERS else 0
        yield from self._metrics(max(answers - over_http, 0))

    def _metrics(self, calls: int) -> Iterator[Metric]:
        for name, text in COUNTERS.items():
            counter = CounterMetricFamily(name, text, labels=tuple(METHOD))
            counter.add_metric(tuple(METHOD.values()), calls)
            yield counter
        handled = CounterMetricFamily(
            "grpc_server_handled", "Calls of Check by code.", labels=(*METHOD, "grpc_code")
        )
        handled.add_metric((*METHOD.values(), "OK"), calls)
        yield handled
        grpc = self._durations.one(GRPC_SECONDS)
        yield _histogram(GRPC_SECONDS, "How long calls of Check took.", METHOD, grpc, calls)
        http = self._durations.one(HTTP_SECONDS)
        yield _histogram(HTTP_SECONDS, "How long checks over plain HTTP took.", {}, http, 0)


def _histogram(
    name: str, text: str, labels: dict[str, str], histogram: Histogram, calls: int
) -> Metric:
    metric = Metric(name, text, "histogram")
    add_samples(metric, labels, histogram, max(calls - sum(histogram.counts), 0))
    return metric
