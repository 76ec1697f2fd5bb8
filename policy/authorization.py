"""From manifests to authorization: AuthConfigs and Secrets handed to the AuthConfig compiler."""

from collections.abc import Iterable, Iterator

from authz.configuration import Configuration
from authz.errors import Fault, dotted
from policy.errors import InvalidObject, PolicyError
from policy.files import FileChange
from policy.manifest import Key, Manifest
from policy.scope import EVERYWHERE, Scope
from policy.store import ObjectChanges, ObjectStore


class AuthorizationObjects:
    """Keeps a Configuration equal to the objects of manifest files within a scope.

    One task changes it.
    """

    def __init__(self, configuration: Configuration, scope: Scope = EVERYWHERE) -> None:
        self._configuration = configuration
        self._scope = scope
        self._outside: set[Key] = set()
        self._store = ObjectStore()
        self._secret_faults: dict[Key, tuple[Fault, ...]] = {}

    def apply(self, changes: Iterable[FileChange]) -> bool:
        """Take in file changes; True when an object is different now."""
        different = self._store.apply(changes)
        outside = {manifest.key for manifest in different.put if not self._scope.takes(manifest)}
        for key in (*different.removed, *outside):
            self._remove(key)
        self._outside = self._outside.difference(
            different.removed, (manifest.key for manifest in different.put)
        ).union(outside)
        # Secrets first, so that no request meets a new AuthConfig without its keys.
        for manifest in self._taken(different, "Secret"):
            self._put_secret(manifest)
        for manifest in self._taken(different, "AuthConfig"):
            self._put_auth_config(manifest)
        return bool(different.put or different.removed)

    def problems(self) -> list[PolicyError]:
        """Everything that is refused now and hosts that another object has, in order of place."""
        found = [*self._store.problems(), *self._refusals(), *self._taken_hosts()]
        return sorted(found, key=lambda error: error.position)

    def notices(self) -> list[str]:
        """Objects that are of no use here."""
        return [f"{position}: {text}" for position, text in self._store.notices()]

    def count(self, kind: str) -> int:
        """Objects of this kind that are taken and not refused."""
        faults = dict(self._faults())
        return sum(
            key[0] == kind and key not in faults and key not in self._outside
            for key in self._store.objects
        )

    def _taken(self, changes: ObjectChanges, kind: str) -> Iterator[Manifest]:
        for manifest in changes.put:
            if manifest.kind == kind and manifest.key not in self._outside:
                yield manifest

    def _remove(self, key: Key) -> None:
        self._secret_faults.pop(key, None)
        kind, namespace, name = key
        if kind == "Secret":
            self._configuration.remove_secret(namespace, name)
        else:
            self._configuration.remove_auth_config(namespace, name)

    def _put_secret(self, manifest: Manifest) -> None:
        fault = self._configuration.put_secret(manifest.namespace, manifest.name, manifest.document)
        self._secret_faults.pop(manifest.key, None)
        if fault is not None:
            self._secret_faults[manifest.key] = (Fault((), fault),)

    def _put_auth_config(self, manifest: Manifest) -> None:
        place = manifest.namespace, manifest.name
        if manifest.fault is None:
            self._configuration.put_auth_config(*place, manifest.document)
        else:
            faults = (Fault((), str(manifest.fault)),)
            self._configuration.refuse_auth_config(*place, manifest.document, faults)

    def _faults(self) -> Iterator[tuple[Key, tuple[Fault, ...]]]:
        """Asked for anew each time: a Secret that goes can be what an AuthConfig lacks."""
        yield from self._secret_faults.items()
        for config_id, faults in self._configuration.faults.items():
            namespace, _, name = config_id.partition("/")
            yield ("AuthConfig", namespace, name), faults

    def _refusals(self) -> Iterator[PolicyError]:
        for key, faults in self._faults():
            manifest = self._store.objects[key]
            if manifest.fault is not None:
                yield manifest.fault
                continue
            for fault in faults:
                where = manifest.locate(fault.path) if fault.path else manifest.position
                yield InvalidObject(where, dotted(fault.path), fault.message)

    def _taken_hosts(self) -> Iterator[PolicyError]:
        for config_id, hosts in self._configuration.taken_hosts():
            namespace, _, name = config_id.partition("/")
            manifest = self._store.objects[("AuthConfig", namespace, name)]
            for host, owner in hosts.items():
                message = f"host {host!r} belongs to AuthConfig {owner}"
                yield InvalidObject(manifest.locate(("spec", "hosts")), "spec.hosts", message)
