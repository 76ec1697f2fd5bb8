"""What is in force and what is refused, for Prometheus."""

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from _fastpath.plan import Plans
from tollhouse.manifests_source import ManifestsSource
from tollhouse.reloading import Reloading


class ConfigurationCollector(Collector):
    """The plan's generation, the manifests, and reloads that failed by a fault of ours."""

    def __init__(self, plans: Plans, manifests: ManifestsSource, reloading: Reloading) -> None:
        self._plans = plans
        self._manifests = manifests
        self._reloading = reloading

    def collect(self) -> Iterator[Metric]:
        state = self._manifests.state
        ready = sum(report.ready for report in state.reports)
        for name, text, value in (
            ("tollhouse_plan_generation", "Plans published", self._plans.generation),
            ("tollhouse_auth_configs", "AuthConfigs known", len(state.reports)),
            ("tollhouse_auth_configs_ready", "AuthConfigs in force as written", ready),
            ("tollhouse_manifest_problems", "Findings in manifests", len(state.problems)),
        ):
            yield GaugeMetricFamily(name, text, value=value)
        yield CounterMetricFamily(
            "tollhouse_reload_failures", "Reloads that ended by a fault", self._reloading.failures
        )
