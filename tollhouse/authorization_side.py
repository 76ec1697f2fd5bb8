"""The parts of one process that decide authorizations."""

from prometheus_client import CollectorRegistry
from prometheus_client.registry import Collector

from _fastpath.cells import Series
from _fastpath.check import CheckDecider
from _fastpath.counters import CounterTable
from _fastpath.identity import IdentityTable
from _fastpath.plan import Plans
from _fastpath.throttle import Throttle
from authz.call_metrics import CallCollector
from authz.callback_room import CallbackCollector
from authz.configuration import Configuration
from authz.metrics import AuthorizationCollector
from authz.opa.metrics import RegoCollector
from authz.outgoing.client import Outgoing
from authz.outgoing.metrics import OutgoingCollector
from authz.remembered_metrics import RememberedCollector
from authz.request_log import RequestLog
from authz.service import AuthorizationService
from authz.services import Services
from policy.scope import Scope
from tollhouse.authz_listeners import authz_listeners
from tollhouse.manifests_source import ManifestsSource
from tollhouse.publisher import Publisher
from tollhouse.server_tls import ServerTls
from tollhouse.settings import ServeSettings
from tollhouse.tls_front import ALPN, TlsFront

MAX_FAILURE_COUNTERS = 100_000


class AuthorizationSide:
    """services: what evaluators share. manifests: where AuthConfigs come from. listeners: those of
    HTTP. tls_front: TLS before the gRPC listener, if asked for. tls: of all of them. collectors:
    metrics of the process; those with Authorino's names are in `registry`."""

    def __init__(
        self,
        settings: ServeSettings,
        publisher: Publisher,
        plans: Plans,
        series: Series,
        threads: int,
    ) -> None:
        self.services = Services(
            identities=IdentityTable(settings.max_api_keys),
            outgoing=Outgoing(settings.outgoing),
            rego_settings=settings.rego,
            managed=settings.watched.secrets,
            throttle=_throttle(settings),
        )
        self.service = AuthorizationService(
            CheckDecider(
                plans,
                self.services.identities,
                series,
                self.services.remembered,
                self.services.throttle,
            ),
            self.services,
            series,
            threads,
            settings.check_timeout_seconds or None,
            RequestLog() if settings.request_log else None,
        )
        self.manifests = self._manifests(settings, publisher, series)
        self.listeners = authz_listeners(
            settings,
            self.service,
            self.manifests,
            lambda *key: series.add(threads, series.id(key), 1),
        )
        self.tls_front = _tls_front(settings)
        front = [self.tls_front.tls] if self.tls_front else []
        self.tls: list[ServerTls] = [*self.listeners.tls, *front]
        self.collectors: list[Collector] = [
            OutgoingCollector(self.services.outgoing, self.services.kubernetes.outgoing),
            CallbackCollector(self.services.callbacks),
            RegoCollector(self.services.rego),
            RememberedCollector(self.services.remembered),
        ]
        durations = self.service.metrics.durations
        self.registry = CollectorRegistry()
        self.registry.register(AuthorizationCollector(series, durations))
        self.registry.register(CallCollector(series, durations))

    def _manifests(
        self, settings: ServeSettings, publisher: Publisher, series: Series
    ) -> ManifestsSource:
        configuration = Configuration(
            self.services,
            series,
            allow_host_subsets=settings.watched.allow_host_subsets,
            evaluator_metrics=settings.evaluator_metrics,
        )
        return ManifestsSource(
            settings.manifests,
            configuration,
            self.service,
            publisher.hosts,
            lambda: self.listeners.look_again(),
            Scope(settings.watched.namespace, settings.watched.auth_configs),
        )


def _tls_front(settings: ServeSettings) -> TlsFront | None:
    files, address = settings.tls.authz, settings.authz_listen
    if files is None or address is None:
        return None
    return TlsFront(address, ServerTls(files, ALPN), settings.bounds.connections)


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
