"""Puts the parts of one `tollhouse ratelimit` process together."""

from aiohttp import web
from prometheus_client import CollectorRegistry, ProcessCollector

from _fastpath.cells import Series
from _fastpath.identity import IdentityTable
from _fastpath.plan import Plans
from ratelimit.clock import now
from ratelimit.descriptors import json_api
from ratelimit.descriptors.active_domains import ActiveDomains
from ratelimit.descriptors.metrics import DescriptorCollector
from ratelimit.descriptors.service import METHOD, DescriptorService
from tollhouse import ratelimit_http
from tollhouse.cpus import usable_cpus
from tollhouse.domains_source import DomainsSource
from tollhouse.health import SERVICE as HEALTH_SERVICE
from tollhouse.health import Health
from tollhouse.housekeeping import Housekeeping
from tollhouse.publisher import Publisher
from tollhouse.ratelimit_settings import ConfigType, RatelimitSettings
from tollhouse.ratelimit_storage import storage_settings
from tollhouse.reflection import Reflection
from tollhouse.reloading import Reloading
from tollhouse.settings import Transport
from tollhouse.storage import open_storage
from tollhouse.transport import open_server
from tollhouse.transport_metrics import TransportCollector
from tollhouse.xds_source import XdsSource

NAME = "ratelimit"
"""Of the service that gRPC health tells, as in the original."""


class RatelimitAssembly:
    """The parts, made on the running event loop."""

    def __init__(self, settings: RatelimitSettings) -> None:
        threads = settings.threads or usable_cpus()
        plans, series = Plans(threads), Series(threads)
        self._settings = settings
        self.storage = open_storage(storage_settings(settings), settings.max_counters, now, dict)
        counters = self.storage.table
        self._active = ActiveDomains(
            series,
            Publisher(plans).limits,
            merge=settings.merge_domains,
            near_ratio=settings.options.near_ratio,
        )
        self._service = DescriptorService(
            self._active,
            plans,
            counters,
            self.storage.store,
            series,
            settings.options,
            batches=self.storage.batches,
        )
        # Nobody holds API keys here.
        self.housekeeping = Housekeeping(counters, IdentityTable(1), plans, now)
        self._serves = False
        self._health = Health([NAME])
        self.configuration = self._source()
        methods = self._service.methods()
        reflection = Reflection([METHOD.split("/")[1], HEALTH_SERVICE])
        self.server = open_server(
            Transport.NATIVE,
            [*methods, *self._health.methods(), *reflection.methods()],
            threads=threads,
            bounds=settings.bounds,
        )
        self._registry = CollectorRegistry()
        self._registry.register(DescriptorCollector(self._service))
        self._registry.register(self.storage.collector)
        self._registry.register(TransportCollector(self.server.stats))
        ProcessCollector(registry=self._registry)

    def _source(self) -> Reloading | XdsSource:
        settings = self._settings
        if settings.config_type is ConfigType.GRPC_XDS_SOTW:
            return XdsSource(
                settings.xds, self._active, self.tell_health, wait=not settings.force_start
            )
        source = DomainsSource(settings.files, self._active, self.tell_health)
        return Reloading([settings.files.folder], [source])

    def routes(self) -> list[web.RouteDef]:
        healthy = ratelimit_http.healthcheck(lambda: self.healthy)
        return [healthy, json_api.route(self._service, now)]

    def debug_routes(self) -> list[web.RouteDef]:
        return ratelimit_http.debug(self._service, self._registry)

    def prometheus_routes(self) -> list[web.RouteDef]:
        return [ratelimit_http.prometheus(self._settings.prometheus_path, self._registry)]

    @property
    def healthy(self) -> bool:
        """Whether requests are decided; where it is asked for, by some domain and with Redis."""
        settings = self._settings
        if settings.healthy_with_config and not self._active.current.by_name:
            return False
        if settings.redis.health_by_connection and not self.storage.reachable():
            return False
        return self._serves

    def begin(self) -> None:
        self._serves = True
        self.tell_health()

    def tell_health(self) -> None:
        """State to the watchers what may have changed with a configuration."""
        self._health.serving(self.healthy)

    def end(self) -> None:
        self._serves = False
        self._health.end()
