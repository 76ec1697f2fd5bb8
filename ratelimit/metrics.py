"""Metrics of the rate limits: Limitador's names and labels, and some of ours."""

from collections.abc import Hashable, Iterable, Iterator

from prometheus_client import Metric
from prometheus_client.registry import Collector

from _fastpath.verbatim_counter import VERBATIM_COUNTER
from ratelimit.reservations import Reservations
from ratelimit.service import RateLimitService

OTHER = "other"  # namespaces without limits, past the bound of the decider


LIMITADOR = {"authorized_calls", "authorized_hits", "limited_calls"}
LABELED = {*LIMITADOR, "report_calls"}
OF_ONE_LIMIT = {"ratelimit_shadow_refused", "ratelimit_limit_calls", "ratelimit_limit_refused"}
_COUNTERS = {
    "authorized_calls": "Authorized calls",
    "authorized_hits": "Authorized hits",
    "limited_calls": "Limited calls",
    "report_calls": "Report calls",
    "limit_errors": "Requests for which an expression of a limit failed",
    "ratelimit_shadow_refused": "Requests that a limit would have refused but for its shadow",
    "ratelimit_limit_calls": "Calls that a limit applied to",
    "ratelimit_limit_refused": "Calls that a limit refused, alone or with others",
}


class RateLimitCollector(Collector):
    """limit_name_label: put the limit's name on limited_calls, as `limitador-server -l` does."""

    def __init__(
        self,
        service: RateLimitService,
        *,
        limit_name_label: bool = False,
        reservations: Reservations | None = None,
    ) -> None:
        self._service = service
        self._reservations = reservations
        self._labeled = set(OF_ONE_LIMIT)
        if limit_name_label:
            self._labeled.add("limited_calls")

    def describe(self) -> Iterable[Metric]:
        """Names for the registry to keep apart, without reading any counter."""
        return [_counter(name) for name in _COUNTERS]

    def collect(self) -> Iterator[Metric]:
        yield _gauge("limitador_up", "Limitador is running", 1)
        yield from self._requests()
        active = self._service.active
        yield _gauge("ratelimit_config_version", "Limits files taken over", active.version)
        yield _gauge("ratelimit_config_refused", "Refused since the last one", active.errors_since)
        stats = self._service.counters.stats()
        yield _gauge("ratelimit_counters", "Counters held", stats.size)
        yield _gauge("ratelimit_counter_bytes", "Memory that counters take", stats.bytes)
        evicted = _counter("ratelimit_counters_evicted", "Live counters evicted at the bound")
        evicted.add_sample("ratelimit_counters_evicted", {}, stats.evicted)
        yield evicted
        if self._reservations is not None:
            live = self._reservations.live
            yield _gauge("ratelimit_reservations", "Reservations that hold hits", live)

    def _requests(self) -> Iterator[Metric]:
        samples: dict[str, dict[tuple[tuple[str, str], ...], int]] = {}
        for key, given, count in self._counts():
            labels = {**given, **self._labels(key)}
            series = samples.setdefault(str(key[0]), {})
            place = tuple(sorted(labels.items()))
            series[place] = series.get(place, 0) + count
        for name, series in samples.items():
            metric = _counter(name)
            for place, count in series.items():
                metric.add_sample(name, dict(place), count)
            yield metric

    def _counts(self) -> Iterator[tuple[tuple[Hashable, ...], dict[str, str], int]]:
        """(key, the operator's labels, count). Past the bound of labeled series all are "other"."""
        labels = self._service.labels
        others = dict.fromkeys(labels.current.custom, OTHER) if labels else {}
        for key, count in self._service.decider.totals().items():
            yield key, others if key[0] in LABELED else {}, count
        for limit_key, count in self._service.decider.limit_totals().items():
            yield limit_key, {}, count
        for key, given, count in self._service.decider.labeled_totals():
            yield key, dict(given), count

    def _labels(self, key: tuple[Hashable, ...]) -> dict[str, str]:
        name = str(key[0])
        label = "limitador_namespace" if name in LIMITADOR else "namespace"
        labels = {label: OTHER if key[1] is None else str(key[1])}
        if name in self._labeled:
            labels["limit_name"] = str(key[2])
        elif name == "limit_errors":
            limits = self._service.active.current.by_digest
            limit = limits.get(bytes(key[2])) if isinstance(key[2], bytes) else None
            labels["limit_name"] = (limit.limit.name if limit else None) or ""
        return labels


def _counter(name: str, documentation: str = "") -> Metric:
    metric = Metric(name, documentation or _COUNTERS[name], "counter")
    metric.type = VERBATIM_COUNTER
    return metric


def _gauge(name: str, documentation: str, value: float) -> Metric:
    metric = Metric(name, documentation, "gauge")
    metric.add_sample(name, {}, value)
    return metric
