"""Authorino's request metrics, read from the native cells at scrape."""

from collections.abc import Iterable, Iterator

from prometheus_client import Metric
from prometheus_client.registry import Collector

from _fastpath.cells import Series
from authz.check_metrics import CONFIG_SECONDS, EVALUATOR_SECONDS
from authz.durations import Durations, Histogram, Labels, add_samples

_PLACE = ("namespace", "authconfig")
_EVALUATOR = (*_PLACE, "evaluator_type", "evaluator_name")
FAMILIES = {
    "auth_server_response_status": ("Answers of the Check method by status.", ("status",)),
    "auth_server_authconfig_total": ("Requests evaluated by each AuthConfig.", _PLACE),
    "auth_server_authconfig_response_status": (
        "Answers of each AuthConfig by status.",
        (*_PLACE, "status"),
    ),
    "auth_server_evaluator_total": ("Evaluators with `metrics` that had their turn.", _EVALUATOR),
    "auth_server_evaluator_ignored": ("Those left out by their `when`.", _EVALUATOR),
    "auth_server_evaluator_denied": ("Those that failed or refused.", _EVALUATOR),
    "auth_server_evaluator_cancelled": ("Those that another one's result ended.", _EVALUATOR),
    "http_server_handled_total": ("Checks over plain HTTP by status.", ("status",)),
    "oidc_server_requests_total": (
        "Requests for documents of wristband issuers.",
        (*_PLACE, "wristband", "path"),
    ),
    "oidc_server_response_status": ("Answers about wristband issuers by status.", ("status",)),
    "tollhouse_authz_throttled_total": (
        "Attempts to authenticate that had to wait, by what had failed too often.",
        (*_PLACE, "by"),
    ),
    "tollhouse_authz_deferred_total": (
        "Requests that an AuthConfig sent to the full lane.",
        _PLACE,
    ),
}


TIMES = (
    (
        CONFIG_SECONDS,
        "How long AuthConfigs took to decide.",
        _PLACE,
        "auth_server_authconfig_total",
        "",
    ),
    (
        EVALUATOR_SECONDS,
        "How long evaluators with `metrics` took.",
        _EVALUATOR,
        "auth_server_evaluator_total",
        "auth_server_evaluator_ignored",
    ),
)
"""Histograms: name, text, labels; the counter of the same turns that both lanes count, and the one
of turns among them that took no time."""


class _Verbatim(str):
    """A metric type that the renderer does not recognize, so that it leaves the name alone.

    Authorino's counters have no `_total` but where it is written above; prometheus_client adds it.
    """

    __slots__ = ()
    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        return False


class AuthorizationCollector(Collector):
    """Names and labels of the series that the native lane and the service count; any thread.

    durations: of the full lane. What the native lane decided took microseconds; it counts in the
    least bucket, with no time.
    """

    def __init__(self, series: Series, durations: Durations) -> None:
        self._series = series
        self._durations = durations

    def describe(self) -> Iterable[Metric]:
        """Names for the registry to keep apart, without reading any counter."""
        return [*self._families().values(), *(Metric(*family[:2], "histogram") for family in TIMES)]

    def collect(self) -> Iterator[Metric]:
        families = self._families()
        totals: dict[tuple[str, Labels], int] = {}
        for key, total in self._series.totals().items():
            # Series of AuthConfigs show with their first request: there may be ten thousand.
            if isinstance(key, tuple) and key[0] in families and (total or len(key) == 2):
                name, *values = key
                # The labels that a request asked for stand behind the others, as one tuple.
                extra = values.pop() if isinstance(values[-1], tuple) else ()
                labels = dict(zip(FAMILIES[name][1], values, strict=True))
                families[name].add_sample(name, {**labels, **dict(extra)}, total)
                if not extra:
                    totals[name, tuple(values)] = total
        yield from families.values()
        for name, text, names, counter, untimed in TIMES:
            decided = {
                labels: total - totals.get((untimed, labels), 0)
                for (of, labels), total in totals.items()
                if of == counter
            }
            yield self._histograms(name, text, names, decided)

    def _histograms(
        self, name: str, text: str, names: tuple[str, ...], decided: dict[Labels, int]
    ) -> Metric:
        """decided: how often, over both lanes."""
        metric = Metric(name, text, "histogram")
        for values, extra, histogram in self._durations.of(name):
            fast = 0 if extra else decided.pop(values, 0) - sum(histogram.counts)
            labels = {**dict(zip(names, values, strict=True)), **dict(extra)}
            add_samples(metric, labels, histogram, max(fast, 0))
        for values, fast in decided.items():
            if not fast:
                continue
            add_samples(metric, dict(zip(names, values, strict=True)), Histogram(), fast)
        return metric

    def _families(self) -> dict[str, Metric]:
        found = {}
        for name, (text, _) in FAMILIES.items():
            found[name] = Metric(name, text, "counter")
            found[name].type = _Verbatim("counter")
        return found
