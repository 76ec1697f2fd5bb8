"""The parts of one process that count limits."""

from collections.abc import Sequence

from prometheus_client.registry import Collector

from _fastpath.cells import Series
from _fastpath.plan import Plans
from _fastpath.rpc import Method
from ratelimit.active_limits import ActiveLimits
from ratelimit.clock import now
from ratelimit.metric_labels import ActiveLabels, expression_of
from ratelimit.metrics import RateLimitCollector
from ratelimit.reservation_service import ReservationService
from ratelimit.reservations import ReservationBounds, Reservations
from ratelimit.service import RateLimitService
from tollhouse.labels_source import LabelsSource
from tollhouse.limits_source import LimitsSource
from tollhouse.publisher import Publisher
from tollhouse.reloading import Source
from tollhouse.settings import RateLimitStatuses, ServeSettings
from tollhouse.storage import open_storage


class RateLimitSide:
    """storage: where counters are. sources: files with limits and with labels of metrics."""

    def __init__(
        self, settings: ServeSettings, publisher: Publisher, plans: Plans, series: Series
    ) -> None:
        self._settings = settings
        self.storage = open_storage(
            settings.counters, settings.max_counters, now, lambda: self._active.current.by_digest
        )
        store = self.storage.store
        self._active = ActiveLimits(store, series, publisher.limits)
        labels = ActiveLabels(publisher.labels) if _labeled(settings) else None
        self.service = RateLimitService(
            self._active,
            plans,
            self.storage.table,
            store,
            series,
            headers=settings.headers,
            statuses=settings.rate_limit_statuses is RateLimitStatuses.DESCRIPTORS,
            labels=labels,
            batches=self.storage.batches,
        )
        self.reservations = Reservations(
            store,
            self.storage.records,
            lambda: self._active.current.by_digest,
            now,
            _bounds(settings),
        )
        self.sources: list[Source] = [
            LimitsSource(settings.limits, self._active, fail=settings.counters.fail)
        ]
        if labels is not None:
            self.sources.append(_labels_source(settings, labels))
        self.collectors: Sequence[Collector] = (
            RateLimitCollector(
                self.service,
                limit_name_label=settings.limit_name_in_labels,
                reservations=self.reservations,
            ),
            self.storage.collector,
        )

    def methods(self) -> list[Method]:
        methods: list[Method] = [*self.service.methods()]
        if not self._settings.disable_reservations:
            methods += ReservationService(self.service, self.reservations).methods()
        return methods

    async def restore(self) -> None:
        """Put back the counters that were kept, once the limits are in force."""
        await self.storage.restore(self._active.current.by_digest.keys())


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
