"""All AuthConfigs in force: compiled for both lanes, their hosts, their keys, their faults.

The unit of refusal is the object: a refused AuthConfig keeps its last good version, and one that
never was good owns its hosts all the same, which answer 503.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from _fastpath.cells import Series
from _fastpath.errors import IdentityTableFull
from _fastpath.host_index import HostIndex, Refusal
from _fastpath.identity import IdentityTable
from _fastpath.rule import rule
from authz.compilation import native_refusals, rule_spec_of
from authz.config import ApiKey, AuthConfig
from authz.errors import Fault, InvalidAuthConfig
from authz.hosts import HostClaims
from authz.keys import KeyRing
from authz.reading import read_auth_config, read_hosts
from authz.secret import read_secret
from authz.selector_match import MANAGED, LabelSelector

REFUSED = "AuthConfig is invalid"


@dataclass(frozen=True, slots=True)
class Ready:
    """An AuthConfig in force. `key_sets`: set number by apiKey entry."""

    config: AuthConfig
    key_sets: Mapping[str, int]
    lane_refusal: str | None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a request of one generation sees in the full lane."""

    hosts: HostIndex
    ready: Mapping[str, Ready]
    refused: Mapping[str, str]  # reason by id

    def find(self, host: str) -> Ready | str | None:
        """The AuthConfig of a host, the reason of a refused one, None for an unknown host."""
        owner = self.hosts.find(host)
        if owner is None:
            return None
        return self.ready.get(owner) or self.refused[owner]


@dataclass(frozen=True, slots=True)
class Report:
    """The state of one AuthConfig, for status pages and checks."""

    id: str
    ready: bool
    hosts_linked: frozenset[str]
    hosts_taken: Mapping[str, str]
    lane: str  # "fast", or "full: <why>"
    faults: tuple[Fault, ...]


class Configuration:
    """Changed by one task; each change is seen by requests once its snapshot is published.

    managed, allow_host_subsets: see KeyRing and HostClaims.
    """

    def __init__(
        self,
        identities: IdentityTable,
        series: Series,
        *,
        managed: LabelSelector = MANAGED,
        allow_host_subsets: bool = False,
    ) -> None:
        self._series = series
        self._claims = HostClaims(allow_subsets=allow_host_subsets)
        self._ready: dict[str, Ready] = {}
        self._refused: dict[str, str] = {}
        self._faults: dict[str, tuple[Fault, ...]] = {}
        self._left: list[Ready] = []
        self.keys = KeyRing(identities, managed)

    def put_secret(self, namespace: str, name: str, document: Mapping[str, Any]) -> str | None:
        """Take in a Secret; gives its fault. A malformed one keeps its last good version."""
        try:
            secret = read_secret(namespace, name, document)
            if secret is None:
                self.keys.remove((namespace, name))
            else:
                self.keys.put(secret)
        except (ValueError, IdentityTableFull) as error:
            return str(error)
        return None

    def remove_secret(self, namespace: str, name: str) -> None:
        self.keys.forget((namespace, name))

    def put_auth_config(
        self, namespace: str, name: str, document: Mapping[str, Any]
    ) -> tuple[Fault, ...]:
        """Take in an AuthConfig; gives its faults, empty when it is in force."""
        config_id = f"{namespace}/{name}"
        try:
            config = read_auth_config(namespace, name, document)
            self._install(config)
        except InvalidAuthConfig as error:
            self.refuse_auth_config(namespace, name, document, error.faults)
            return error.faults
        self._faults.pop(config_id, None)
        self._refused.pop(config_id, None)
        return ()

    def refuse_auth_config(
        self, namespace: str, name: str, document: Mapping[str, Any], faults: tuple[Fault, ...]
    ) -> None:
        """Note what is wrong with an AuthConfig, whose last good version stays in force."""
        config_id = f"{namespace}/{name}"
        self._faults[config_id] = faults
        if config_id not in self._ready:
            self._refused[config_id] = REFUSED
            self._claims.claim(config_id, Refusal(config_id, REFUSED), read_hosts(document))

    def remove_auth_config(self, namespace: str, name: str) -> None:
        config_id = f"{namespace}/{name}"
        self._faults.pop(config_id, None)
        self._refused.pop(config_id, None)
        self._claims.release(config_id)
        self._leave(self._ready.pop(config_id, None))

    def give_up_keys(self) -> None:
        """Revoke the keys that no AuthConfig uses since the last publish.

        To be called when a change begins: until its predecessor is published, and while requests
        are decided by what that replaced, their keys must stand.
        """
        left, self._left = self._left, []
        for ready in left:
            self._leave_keys(ready)

    def snapshot(self) -> Snapshot:
        return Snapshot(self._claims.index, dict(self._ready), dict(self._refused))

    def reports(self) -> Iterable[Report]:
        for config_id in sorted({*self._ready, *self._refused}):
            ready = self._ready.get(config_id)
            lane = "none"
            if ready is not None:
                lane = "fast" if ready.lane_refusal is None else f"full: {ready.lane_refusal}"
            yield Report(
                id=config_id,
                ready=config_id not in self._faults and not self._claims.loose(config_id),
                hosts_linked=self._claims.linked(config_id),
                hosts_taken=self._claims.loose(config_id),
                lane=lane,
                faults=self._faults.get(config_id, ()),
            )

    def taken_hosts(self) -> Iterator[tuple[str, dict[str, str]]]:
        """Ids of AuthConfigs with hosts that belong to another one: that one's id by host."""
        return self._claims.taken()

    def _install(self, config: AuthConfig) -> None:
        ready = Ready(config, self._use_keys(config), next(native_refusals(config), None))
        try:
            spec = rule_spec_of(config, ready.key_sets, ready.lane_refusal)
            self._claims.claim(config.id, rule(spec, self._series), config.hosts)
        except ValueError as error:
            self._leave_keys(ready)
            raise InvalidAuthConfig((Fault(("spec",), str(error)),)) from error
        before = self._ready.get(config.id)
        self._ready[config.id] = ready
        self._leave(before)

    def _use_keys(self, config: AuthConfig) -> dict[str, int]:
        used: dict[str, int] = {}
        entries = _api_key_entries(config)
        try:
            for name, method in entries.items():
                used[name] = self.keys.use(config.namespace, method)
        except IdentityTableFull as error:
            for name in used:
                self.keys.leave(config.namespace, entries[name])
            raise InvalidAuthConfig((Fault(("spec", "authentication"), str(error)),)) from error
        return used

    def _leave(self, ready: Ready | None) -> None:
        if ready is not None:
            self._left.append(ready)

    def _leave_keys(self, ready: Ready) -> None:
        for method in _api_key_entries(ready.config).values():
            self.keys.leave(ready.config.namespace, method)


def _api_key_entries(config: AuthConfig) -> dict[str, ApiKey]:
    return {
        entry.name: entry.method
        for entry in config.authentication
        if isinstance(entry.method, ApiKey)
    }
