"""Authorino's request metrics, read from the native cells at scrape."""

from collections.abc import Iterable, Iterator

from prometheus_client import Metric
from prometheus_client.registry import Collector

from _fastpath.cells import Series

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
    "http_server_handled_total": ("Checks over plain HTTP by status.", ("status",)),
    "oidc_server_requests_total": (
        "Requests for documents of wristband issuers.",
        (*_PLACE, "wristband", "path"),
    ),
    "oidc_server_response_status": ("Answers about wristband issuers by status.", ("status",)),
    "tollhouse_authz_deferred_total": (
        "Requests that an AuthConfig sent to the full lane.",
        _PLACE,
    ),
}


class _Verbatim(str):
    """A metric type that the renderer does not recognize, so that it leaves the name alone.

    Authorino's counters have no `_total` but where it is written above; prometheus_client adds it.
    """

    __slots__ = ()
    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        return False


class AuthorizationCollector(Collector):
    """Names and labels of the series that the native lane and the service count."""

    def __init__(self, series: Series) -> None:
        self._series = series

    def describe(self) -> Iterable[Metric]:
        """Names for the registry to keep apart, without reading any counter."""
        return self._families().values()

    def collect(self) -> Iterator[Metric]:
        families = self._families()
        for key, total in self._series.totals().items():
            if isinstance(key, tuple) and key[0] in families:
                name, *values = key
                labels = dict(zip(FAMILIES[name][1], values, strict=True))
                families[name].add_sample(name, labels, total)
        yield from families.values()

    def _families(self) -> dict[str, Metric]:
        found = {}
        for name, (text, _) in FAMILIES.items():
            found[name] = Metric(name, text, "counter")
            found[name].type = _Verbatim("counter")
        return found
