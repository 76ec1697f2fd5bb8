"""Composes the native plan of its parts, each published when it changes."""

from _fastpath.handler import Unit
from _fastpath.host_index import HostIndex
from _fastpath.plan import Plans


class Publisher:
    """Used on the event loop. Until limits are published no request is decided."""

    def __init__(self, plans: Plans) -> None:
        self._plans = plans
        self._limits: Unit | None = None
        self._hosts: Unit = HostIndex()
        self._labels: Unit | None = None

    def limits(self, unit: Unit) -> int:
        """Swap in new limits beside the hosts in force; gives the plan's generation."""
        self._limits = unit
        return self._publish()

    def hosts(self, unit: Unit) -> int:
        """Swap in new hosts beside the limits in force; gives the plan's generation."""
        self._hosts = unit
        return self._publish()

    def labels(self, unit: Unit) -> int:
        """Swap in new labels of the request counters; gives the plan's generation."""
        self._labels = unit
        return self._publish()

    def _publish(self) -> int:
        return self._plans.publish(self._limits, self._hosts, self._labels)
