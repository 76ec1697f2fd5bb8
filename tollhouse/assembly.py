"""Puts the parts of one process together."""

from collections.abc import Sequence

from aiohttp import web
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.registry import Collector

from _fastpath.cells import Series
from _fastpath.plan import Plans
from authz.configuration import Report
from ratelimit import counters_api, http_api
from ratelimit.clock import now
from tollhouse import http_side
from tollhouse.admin_access import AdminAccess
from tollhouse.authorization_side import AuthorizationSide
from tollhouse.configuration_metrics import ConfigurationCollector
from tollhouse.cpus import usable_cpus
from tollhouse.health import SERVICE as HEALTH_SERVICE
from tollhouse.health import Health
from tollhouse.housekeeping import Housekeeping
from tollhouse.publisher import Publisher
from tollhouse.rate_limit_side import RateLimitSide
from tollhouse.reflection import Reflection
from tollhouse.reloading import Reloading
from tollhouse.settings import ServeSettings
from tollhouse.transport import GrpcServer, open_server
from tollhouse.transport_metrics import TransportCollector


class Assembly:
    """The parts, made on the running event loop."""

    def __init__(self, settings: ServeSettings) -> None:
        self._admin: AdminAccess | None = None
        if settings.counter_changes:
            self._admin = AdminAccess(settings.admin_token_file, settings.admin_token)
        threads = settings.threads or usable_cpus()
        plans, series = Plans(threads), Series(threads)
        publisher = Publisher(plans)
        self.limits = RateLimitSide(settings, publisher, plans, series)
        self.authorization = AuthorizationSide(settings, publisher, plans, series, threads)
        self.housekeeping = Housekeeping(
            self.limits.storage.table, self.authorization.services.identities, plans, now
        )
        self.reloading = self._reloading(settings)
        methods = [*self.limits.methods(), *self.authorization.service.methods()]
        services = sorted({method.path.split("/")[1] for method in methods})
        self.ready = False
        self._health = Health(services)
        reflection = Reflection([*services, HEALTH_SERVICE]) if settings.grpc_reflection else None
        self.server: GrpcServer = open_server(
            settings.transport,
            [*methods, *self._health.methods(), *(reflection.methods() if reflection else ())],
            threads=threads,
            bounds=settings.bounds,
        )
        self._collectors: list[Collector] = [
            ProcessCollector(registry=None),
            ConfigurationCollector(plans, self.authorization.manifests, self.reloading),
            TransportCollector(self.server.stats),
            *self.authorization.collectors,
        ]

    def _reloading(self, settings: ServeSettings) -> Reloading:
        tls = self.authorization.tls
        files = (*settings.manifests, settings.limits, settings.custom_metric_labels)
        paths = [path for path in files if path is not None]
        paths += [path for listener in tls for path in listener.paths]
        limits, *labels = self.limits.sources
        return Reloading(paths, [limits, self.authorization.manifests, *tls, *labels])

    def routes(self) -> list[web.RouteDef]:
        return [
            *http_side.probes(lambda: self.ready),
            http_side.metrics(
                _registry(
                    ProcessCollector(registry=None), *self._collectors, *self.limits.collectors
                ),
                long=self.authorization.registry,
            ),
            *http_api.routes(
                self.limits.service,
                now,
                lambda: {"manifests": self.authorization.manifests.state.status()},
                counter_changes=self._admin is not None,
            ),
            *counters_api.routes(self.limits.service, self._admin),
        ]

    def metrics_routes(self) -> list[web.RouteDef]:
        """What is told of authorization and of the process, where Authorino tells it."""
        return [
            http_side.metrics(_registry(*self._collectors)),
            http_side.metrics(_registry(), "/server-metrics", long=self.authorization.registry),
        ]

    def reports(self) -> Sequence[Report]:
        """The state of every AuthConfig."""
        return self.authorization.manifests.state.reports

    def begin(self) -> None:
        """State in health and readiness that requests are decided."""
        self.ready = True
        self._health.serving(True)

    def end(self) -> None:
        """State that they are no longer."""
        self.ready = False
        self._health.end()


def _registry(*collectors: Collector) -> CollectorRegistry:
    registry = CollectorRegistry()
    for collector in collectors:
        registry.register(collector)
    return registry
