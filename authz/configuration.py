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
from _fastpath.rule import rule
from authz.compilation import lane_of, rule_spec_of
from authz.config import AuthConfig
from authz.errors import Fault, InvalidAuthConfig
from authz.hosts import HostClaims
from authz.open_config import OpenConfig, Opener
from authz.reading import read_auth_config, read_hosts
from authz.secret import SecretId, read_secret
from authz.services import Services

REFUSED = "AuthConfig is invalid"


@dataclass(frozen=True, slots=True)
class Ready:
    """An AuthConfig in force; `lane` as `compilation.lane_of` says."""

    opened: OpenConfig
    lane: str


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
    lane: str  # of compilation.lane_of, or "none"
    faults: tuple[Fault, ...]


class Configuration:
    """Changed by one task; each change is seen by requests once its snapshot is published.

    allow_host_subsets: see HostClaims.
    """

    def __init__(
        self,
        services: Services,
        series: Series,
        *,
        allow_host_subsets: bool = False,
        evaluator_metrics: bool = False,
    ) -> None:
        self._services = services
        self._series = series
        self._evaluator_metrics = evaluator_metrics
        self._opener = Opener(services)
        self._claims = HostClaims(allow_subsets=allow_host_subsets)
        self._ready: dict[str, Ready] = {}
        self._refused: dict[str, str] = {}
        self._faults: dict[str, tuple[Fault, ...]] = {}
        self._needs: dict[str, frozenset[SecretId]] = {}
        self._users: dict[SecretId, dict[str, AuthConfig]] = {}
        self._fresh: dict[str, OpenConfig] = {}
        self._left: list[OpenConfig] = []

    def put_secret(self, namespace: str, name: str, document: Mapping[str, Any]) -> str | None:
        """Take in a Secret; gives its fault. A malformed one keeps its last good version."""
        keys, secrets = self._services.keys, self._services.secrets
        try:
            secret = read_secret(namespace, name, document)
            keys.put(secret)
        except (ValueError, IdentityTableFull) as error:
            return str(error)
        if secrets.put(secret):
            self._open_users_anew((namespace, name))
        return None

    def remove_secret(self, namespace: str, name: str) -> None:
        self._services.keys.forget((namespace, name))
        self._services.secrets.remove(namespace, name)
        self._open_users_anew((namespace, name))

    def put_auth_config(
        self, namespace: str, name: str, document: Mapping[str, Any]
    ) -> tuple[Fault, ...]:
        """Take in an AuthConfig; gives its faults, empty when it is in force."""
        config_id = f"{namespace}/{name}"
        try:
            config = read_auth_config(namespace, name, document)
            if self._evaluator_metrics:
                config = config.with_metrics()
        except InvalidAuthConfig as error:
            self._use_secrets(config_id, None, frozenset())
            self.refuse_auth_config(namespace, name, document, error.faults)
            return error.faults
        return self._put(config)

    def refuse_auth_config(
        self, namespace: str, name: str, document: Mapping[str, Any], faults: tuple[Fault, ...]
    ) -> None:
        """Note what is wrong with an AuthConfig, whose last good version stays in force."""
        self._refuse(f"{namespace}/{name}", read_hosts(document), faults)

    def remove_auth_config(self, namespace: str, name: str) -> None:
        config_id = f"{namespace}/{name}"
        self._faults.pop(config_id, None)
        self._refused.pop(config_id, None)
        self._use_secrets(config_id, None, frozenset())
        self._claims.release(config_id)
        self._fresh.pop(config_id, None)
        self._leave(self._ready.pop(config_id, None))

    def start_new(self) -> None:
        """Start the evaluators that came since the last call; on the event loop, before a publish.

        To be called while nothing changes the configuration, as `close_replaced`."""
        fresh, self._fresh = self._fresh, {}
        for opened in fresh.values():
            opened.start()

    def close_replaced(self) -> None:
        """Close the evaluators of AuthConfigs that went before the last publish; on the event loop.

        To be called when a change begins: until its predecessor is published, and while requests
        are decided by what that replaced, their keys and what they rely on must stand.
        """
        left, self._left = self._left, []
        for opened in left:
            self._opener.close(opened)

    def snapshot(self) -> Snapshot:
        return Snapshot(self._claims.index, dict(self._ready), dict(self._refused))

    @property
    def faults(self) -> Mapping[str, tuple[Fault, ...]]:
        """What is wrong with AuthConfigs, by id."""
        return self._faults

    def reports(self) -> Iterable[Report]:
        for config_id in sorted({*self._ready, *self._refused}):
            ready = self._ready.get(config_id)
            yield Report(
                id=config_id,
                ready=config_id not in self._faults and not self._claims.loose(config_id),
                hosts_linked=self._claims.linked(config_id),
                hosts_taken=self._claims.loose(config_id),
                lane="none" if ready is None else ready.lane,
                faults=self._faults.get(config_id, ()),
            )

    def taken_hosts(self) -> Iterator[tuple[str, dict[str, str]]]:
        """Ids of AuthConfigs with hosts that belong to another one: that one's id by host."""
        return self._claims.taken()

    def _put(self, config: AuthConfig) -> tuple[Fault, ...]:
        try:
            self._install(config)
        except InvalidAuthConfig as error:
            self._use_secrets(config.id, config, error.secrets)
            self._refuse(config.id, config.hosts, error.faults)
            return error.faults
        self._faults.pop(config.id, None)
        self._refused.pop(config.id, None)
        return ()

    def _refuse(self, config_id: str, hosts: Iterable[str], faults: tuple[Fault, ...]) -> None:
        self._faults[config_id] = faults
        if config_id not in self._ready:
            self._refused[config_id] = REFUSED
            self._claims.claim(config_id, Refusal(config_id, REFUSED), hosts)

    def _install(self, config: AuthConfig) -> None:
        opened = self._opener.open(config)
        try:
            spec = rule_spec_of(opened, throttled=self._services.throttle is not None)
            self._claims.claim(config.id, rule(spec, self._series), config.hosts)
        except ValueError as error:
            self._opener.close(opened)
            raise InvalidAuthConfig((Fault(("spec",), str(error)),)) from error
        self._use_secrets(config.id, config, opened.secrets)
        before = self._ready.get(config.id)
        self._ready[config.id] = Ready(opened, lane_of(spec))
        self._fresh[config.id] = opened
        self._leave(before)

    def _use_secrets(
        self, config_id: str, config: AuthConfig | None, secrets: frozenset[SecretId]
    ) -> None:
        """These Secrets are the ones whose change makes the AuthConfig be opened anew."""
        for secret_id in self._needs.pop(config_id, frozenset()):
            del self._users[secret_id][config_id]
            if not self._users[secret_id]:
                del self._users[secret_id]
        if config is not None and secrets:
            self._needs[config_id] = secrets
            for secret_id in secrets:
                self._users.setdefault(secret_id, {})[config_id] = config

    def _open_users_anew(self, secret_id: SecretId) -> None:
        for config in list(self._users.get(secret_id, {}).values()):
            self._put(config)

    def _leave(self, ready: Ready | None) -> None:
        if ready is not None:
            self._left.append(ready.opened)
