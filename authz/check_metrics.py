"""What the full lane counts of its decisions; the native lane counts its own in the same series."""

from collections.abc import Iterable, Mapping
from typing import Any

from _fastpath.cells import Series
from _fastpath.rpc import Status
from authz.config import AuthConfig
from authz.durations import Durations, Extra
from authz.metric_labels import MetricLabels
from authz.step import Outcome, Step

CONFIG_SECONDS = "auth_server_authconfig_duration_seconds"
EVALUATOR_SECONDS = "auth_server_evaluator_duration_seconds"


class CheckMetrics:
    """Used on the event loop. thread: its number in the series."""

    def __init__(self, series: Series, thread: int) -> None:
        self._series = series
        self._thread = thread
        self._labels = MetricLabels()
        self.durations = Durations()

    def answered(self, status: Status) -> None:
        self._count("auth_server_response_status", status.name)

    def throttled(self, config: AuthConfig, by: str) -> None:
        self._count("tollhouse_authz_throttled_total", config.namespace, config.name, by)

    def took(self, family: str, duration_ns: int) -> None:
        """One call, of a family without labels."""
        self.durations.observe(family, (), (), duration_ns)

    def decided(
        self,
        config: AuthConfig,
        status: Status,
        document: Mapping[str, Any],
        steps: Iterable[Step],
        duration_ns: int,
    ) -> None:
        """One decision by an AuthConfig. document: as of its end; steps: of its evaluators, of
        which those with `metrics` count."""
        extra = self._labels.of(document)
        place = config.namespace, config.name
        self._count("auth_server_authconfig_total", *place, extra=extra)
        self._count("auth_server_authconfig_response_status", *place, status.name, extra=extra)
        self.durations.observe(CONFIG_SECONDS, place, extra, duration_ns)
        for step in steps:
            if step.entry.metrics:
                self._evaluated((*place, step.entry.kind.label, step.entry.name), step, extra)

    def _evaluated(self, labels: tuple[str, ...], step: Step, extra: Extra) -> None:
        self._count("auth_server_evaluator_total", *labels, extra=extra)
        if step.outcome is not Outcome.SUCCEEDED:
            self._count(f"auth_server_evaluator_{step.outcome}", *labels, extra=extra)
        if step.outcome is not Outcome.IGNORED:
            duration_ns = step.ended_ns - step.began_ns
            self.durations.observe(EVALUATOR_SECONDS, labels, extra, duration_ns)

    def _count(self, *key: str, extra: Extra = ()) -> None:
        series = self._series.id((*key, extra) if extra else key)
        self._series.add(self._thread, series, 1)
