"""Puts the parts of one process together."""

from collections.abc import Sequence

from aiohttp import web
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.registry import Collector

from _fastpath.cells import Series
from _fastpath.check import CheckDecider
from _fastpath.counters import CounterTable
from _fastpath.identity import IdentityTable
from _fastpath.plan import Plans
from _fastpath.rpc import Method
from _fastpath.throttle import Throttle
from authz.call_metrics import CallCollector
from authz.callback_room import CallbackCollector
from authz.configuration import Configuration, Report
from authz.metrics import AuthorizationCollector
from authz.outgoing.client import Outgoing
from authz.outgoing.metrics import OutgoingCollector
from authz.request_log import RequestLog
from authz.service import AuthorizationService
from authz.services import Services
from policy.scope import Scope
from ratelimit import counters_api, http_api
from ratelimit.active_limits import ActiveLimits
from ratelimit.clock import now
from ratelimit.metric_labels import ActiveLabels, expression_of
from ratelimit.metrics import RateLimitCollector
from ratelimit.reservation_service import ReservationService
from ratelimit.reservations import ReservationBounds, Reservations
from ratelimit.service import RateLimitService
from tollhouse import http_side
from tollhouse.admin_access import AdminAccess
from tollhouse.authz_listeners import authz_listeners
from tollhouse.configuration_metrics import ConfigurationCollector
from tollhouse.cpus import usable_cpus
from tollhouse.health import SERVICE as HEALTH_SERVICE
from tollhouse.health import Health
from tollhouse.housekeeping import Housekeeping
from tollhouse.labels_source import LabelsSource
from tollhouse.limits_source import LimitsSource
from tollhouse.manifests_source import ManifestsSource
from tollhouse.publisher import Publisher
from tollhouse.reflection import Reflection
from tollhouse.reloading import Reloading, Source
from tollhouse.server_tls import ServerTls
from tollhouse.settings import RateLimitStatuses, ServeSettings
from tollhouse.storage import open_storage
from tollhouse.tls_front import ALPN, TlsFront
from tollhouse.transport import GrpcServer, open_server
from tollhouse.transport_metrics import TransportCollector

MAX_FAILURE_COUNTERS = 100_000


class Assembly:
    """The parts, made on the running event loop."""

    def __init__(self, settings: ServeSettings) -> None:
        self._admin: AdminAccess | None = None
        if settings.counter_changes:
            self._admin = AdminAccess(settings.admin_token_file, settings.admin_token)
        threads = settings.threads or usable_cpus()
        plans, series = Plans(threads), Series(threads)
        publisher = Publisher(plans)
        self.storage = open_storage(
            settings.counters, settings.max_counters, now, lambda: active.current.by_digest
        )
        counters, store = self.storage.table, self.storage.store
        active = ActiveLimits(store, series, publisher.limits)
        statuses = settings.rate_limit_statuses is RateLimitStatuses.DESCRIPTORS
        labels = ActiveLabels(publisher.labels) if _labeled(settings) else None
        self._limits = RateLimitService(
            active,
            plans,
            counters,
            store,
            series,
            headers=settings.headers,
            statuses=statuses,
            labels=labels,
            batches=self.storage.batches,
        )
        self.reservations = Reservations(
            store, self.storage.records, lambda: active.current.by_digest, now, _bounds(settings)
        )
        identities = IdentityTable(settings.max_api_keys)
        self.services = Services(
            identities=identities,
            outgoing=Outgoing(settings.outgoing),
            rego_settings=settings.rego,
            managed=settings.watched.secrets,
            throttle=_throttle(settings),
        )
        self._authorization = AuthorizationService(
            CheckDecider(
                plans, identities, series, self.services.remembered, self.services.throttle
            ),
            self.services,
            series,
            threads,
            settings.check_timeout_seconds or None,
            RequestLog() if settings.request_log else None,
        )
        self._manifests = ManifestsSource(
            settings.manifests,
            Configuration(
                self.services,
                series,
                allow_host_subsets=settings.watched.allow_host_subsets,
                evaluator_metrics=settings.evaluator_metrics,
            ),
            self._authorization,
            publisher.hosts,
            lambda: self.listeners.look_again(),
            Scope(settings.watched.namespace, settings.watched.auth_configs),
        )
        self.listeners = authz_listeners(
            settings,
            self._authorization,
            self._manifests,
            lambda *key: series.add(threads, series.id(key), 1),
        )
        files = (*settings.manifests, settings.limits, settings.custom_metric_labels)
        paths = [path for path in files if path is not None]
        self.tls_front = _tls_front(settings)
        tls = [*self.listeners.tls, *([self.tls_front.tls] if self.tls_front else [])]
        paths += [path for listener in tls for path in listener.paths]
        self.housekeeping = Housekeeping(counters, identities, plans, now)
        limits = LimitsSource(settings.limits, active, fail=settings.counters.fail)
        sources: list[Source] = [limits, self._manifests, *tls]
        if labels is not None:
            sources.append(_labels_source(settings, labels))
        self.reloading = Reloading(paths, sources)
        methods = self._methods(settings)
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
            ConfigurationCollector(plans, self._manifests, self.reloading),
            TransportCollector(self.server.stats),
            OutgoingCollector(self.services.outgoing, self.services.kubernetes.outgoing),
            CallbackCollector(self.services.callbacks),
        ]
        durations = self._authorization.metrics.durations
        self._authorization_registry = _registry(
            AuthorizationCollector(series, durations), CallCollector(series, durations)
        )
        self._limits_collectors: list[Collector] = [
            RateLimitCollector(
                self._limits,
                limit_name_label=settings.limit_name_in_labels,
                reservations=self.reservations,
            ),
            self.storage.collector,
        ]

    def _methods(self, settings: ServeSettings) -> list[Method]:
        methods: list[Method] = [*self._limits.methods(), *self._authorization.methods()]
        if not settings.disable_reservations:
            methods += ReservationService(self._limits, self.reservations).methods()
        return methods

    def routes(self) -> list[web.RouteDef]:
        return [
            *http_side.probes(lambda: self.ready),
            http_side.metrics(
                _registry(
                    ProcessCollector(registry=None), *self._collectors, *self._limits_collectors
                ),
                long=self._authorization_registry,
            ),
            *http_api.routes(
                self._limits,
                now,
                lambda: {"manifests": self._manifests.state.status()},
                counter_changes=self._admin is not None,
            ),
            *counters_api.routes(self._limits, self._admin),
        ]

    def metrics_routes(self) -> list[web.RouteDef]:
        """What is told of authorization and of the process, where Authorino tells it."""
        return [
            http_side.metrics(_registry(*self._collectors)),
            http_side.metrics(_registry(), "/server-metrics", long=self._authorization_registry),
        ]

    def reports(self) -> Sequence[Report]:
        """The state of every AuthConfig."""
        return self._manifests.state.reports

    async def restore(self) -> None:
        """Put back the counters that were kept, once the limits are in force."""
        await self.storage.restore(self._limits.active.current.by_digest.keys())

    def begin(self) -> None:
        """State in health and readiness that requests are decided."""
        self.ready = True
        self._health.serving(True)

    def end(self) -> None:
        """State that they are no longer."""
        self.ready = False
        self._health.end()


def _tls_front(settings: ServeSettings) -> TlsFront | None:
    files, address = settings.tls.authz, settings.authz_listen
    if files is None or address is None:
        return None
    return TlsFront(address, ServerTls(files, ALPN), settings.bounds.connections)


def _registry(*collectors: Collector) -> CollectorRegistry:
    registry = CollectorRegistry()
    for collector in collectors:
        registry.register(collector)
    return registry


def _bounds(settings: ServeSettings) -> ReservationBounds:
    return ReservationBounds(
        max_fraction=settings.max_reservation_fraction,
        max_ttl_seconds=settings.max_reservation_ttl,
        most=settings.max_reservations,
    )


def _labeled(settings: ServeSettings) -> bool:
    return bool(settings.custom_metric_labels or settings.metric_labels_default)


def _labels_source(settings: ServeSettings, labels: ActiveLabels) -> LabelsSource:
    default = settings.metric_labels_default
    expression = expression_of(default) if default else None
    return LabelsSource(settings.custom_metric_labels, expression, labels)


def _throttle(settings: ServeSettings) -> Throttle | None:
    """Of failed authentications, where one was asked for."""
    if not settings.max_failures_per_source and not settings.max_failures_per_credential:
        return None
    return Throttle(
        CounterTable(MAX_FAILURE_COUNTERS),
        per_source=settings.max_failures_per_source,
        per_credential=settings.max_failures_per_credential,
        window_ns=int(settings.failure_window_seconds * 1e9),
    )
