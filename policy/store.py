"""The object cache: every object's last good version, and what a change of files changes in it.

The unit of refusal is the object: one that cannot be read keeps its last good version, and so does
everything in a file that is no YAML. An object written twice counts where it was seen first.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from policy.errors import InvalidObject, PolicyError, UnreadableManifest
from policy.files import FileChange
from policy.manifest import Key, Manifest, ManifestFile, parse
from policy.position import Position


@dataclass(frozen=True, slots=True)
class ObjectChanges:
    """`put` in the order of reading, new and changed alike; `removed` by key."""

    put: tuple[Manifest, ...]
    removed: tuple[Key, ...]


@dataclass(slots=True)
class ObjectStore:
    """Fed with file changes by one task; everything else only reads it."""

    _files: dict[str, ManifestFile] = field(default_factory=dict)
    _unreadable: dict[str, PolicyError] = field(default_factory=dict)
    _written: dict[Key, dict[str, Manifest]] = field(default_factory=dict)  # by file
    _owners: dict[Key, str] = field(default_factory=dict)
    _owned: dict[str, set[Key]] = field(default_factory=dict)
    _touched: dict[Key, Manifest | None] = field(default_factory=dict)  # as they were
    objects: dict[Key, Manifest] = field(default_factory=dict)

    def apply(self, changes: Iterable[FileChange]) -> ObjectChanges:
        """Take in the changes and say which objects are different afterwards."""
        self._touched = {}
        for change in changes:
            self._take(change)
        put, removed = [], []
        for key, before in self._touched.items():
            now = self.objects.get(key)
            if now is None and before is not None:
                removed.append(key)
            elif now is not None and not _same(before, now):
                put.append(now)
        return ObjectChanges(tuple(put), tuple(removed))

    def problems(self) -> list[PolicyError]:
        """Everything that is refused now, in order of place."""
        found: list[PolicyError] = list(self._unreadable.values())
        for file in self._files.values():
            found += [error for _, error in file.refused]
        found += self._duplicates()
        return sorted(found, key=lambda error: error.position)

    def notices(self) -> list[tuple[Position, str]]:
        """Objects of kinds that are none of ours."""
        return [notice for file in self._files.values() for notice in file.ignored]

    def _take(self, change: FileChange) -> None:
        self._unreadable.pop(change.path, None)
        if change.text is None:
            self._replace(change.path, ManifestFile((), (), ()))
            del self._files[change.path], self._owned[change.path]
            return
        try:
            if change.problem is not None:
                raise UnreadableManifest(Position(change.path, 1), "", change.problem)
            self._replace(change.path, parse(change.text, change.path))
        except UnreadableManifest as error:
            self._unreadable[change.path] = error
            self._files.setdefault(change.path, ManifestFile((), (), ()))

    def _replace(self, path: str, file: ManifestFile) -> None:
        before = self._files.get(path)
        for manifest in before.objects if before else ():
            del self._written[manifest.key][path]
        for manifest in file.objects:
            self._written.setdefault(manifest.key, {})[path] = manifest
        self._files[path] = file
        owned = self._owned.setdefault(path, set())
        kept = {manifest.key for manifest in file.objects} | {key for key, _ in file.refused if key}
        for key in [key for key in owned if key not in kept]:
            self._forget(key, path)
        for manifest in file.objects:
            if self._owners.get(manifest.key, path) == path:
                self._own(path, manifest)

    def _own(self, path: str, manifest: Manifest) -> None:
        key = manifest.key
        self._touched.setdefault(key, self.objects.get(key))
        self._owners[key] = path
        self._owned[path].add(key)
        self.objects[key] = manifest

    def _forget(self, key: Key, path: str) -> None:
        """Drop an object, or let the next file that holds it have its say."""
        self._touched.setdefault(key, self.objects[key])
        self._owned[path].discard(key)
        del self._owners[key]
        del self.objects[key]
        for other, manifest in self._written[key].items():
            self._own(other, manifest)
            return
        del self._written[key]

    def _duplicates(self) -> list[PolicyError]:
        found: list[PolicyError] = []
        for path, file in self._files.items():
            for manifest in file.objects:
                owner = self._owners.get(manifest.key)
                if owner is not None and owner != path:
                    first = self.objects[manifest.key].position
                    message = f"{'/'.join(manifest.key)} is already given at {first}"
                    found.append(InvalidObject(manifest.position, "metadata.name", message))
        return found


def _same(old: Manifest | None, new: Manifest) -> bool:
    return old is new or (
        old is not None
        and old.document == new.document
        and old.api_version == new.api_version
        and str(old.fault and old.fault.message) == str(new.fault and new.fault.message)
    )
