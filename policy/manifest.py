"""Manifests: Kubernetes objects of YAML streams, with the line of every field.

Objects of kinds that are none of ours are passed over, whatever they hold. An AuthConfig whose
identity can be told is handed on even when something is wrong with it: it owns its hosts.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import yaml

from policy.errors import InvalidObject
from policy.position import Position
from policy.yaml_stream import Document, Loader, read

Path = tuple[str | int, ...]
Key = tuple[str, str, str]  # kind, namespace, name

AUTH_GROUP = "authorino.kuadrant.io"
OUR_GROUPS = (AUTH_GROUP, "kuadrant.io", "limitador.kuadrant.io", "gateway.networking.k8s.io")
AUTH_VERSIONS = (f"{AUTH_GROUP}/v1beta3", f"{AUTH_GROUP}/v1beta2")
# RFC 1123, as the API server holds names to.
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_SUBDOMAIN = re.compile(r"(?=.{1,253}\Z)[a-z0-9]([a-z0-9.-]*[a-z0-9])?")


@dataclass(frozen=True)
class Manifest:
    """One object as it was written. `document` is JSON data; treat it as immutable.

    fault: why it is refused as it stands; only for an AuthConfig.
    """

    api_version: str
    kind: str
    namespace: str
    name: str
    document: Mapping[str, Any] = field(repr=False)
    position: Position
    fault: InvalidObject | None
    source: str = field(repr=False)  # text of its document, kept to find lines
    within: Path  # where in its document the object is

    @property
    def key(self) -> Key:
        return self.kind, self.namespace, self.name

    @cached_property
    def _root(self) -> yaml.Node | None:
        return _compose(self.source)

    def locate(self, path: Path) -> Position:
        """The line of the field at `path`, or of its nearest ancestor that was written."""
        root = self._root
        if root is None:
            return self.position
        found = _line_of(root, self.within)
        top = self.position.line - found
        return Position(self.position.file, top + _line_of(root, (*self.within, *path)))


def _compose(source: str) -> yaml.Node | None:
    try:
        return yaml.compose(source, Loader=Loader)
    except yaml.YAMLError:  # a tag whose handle was declared above the document
        return None


def _line_of(root: yaml.Node, path: Path) -> int:
    line, node = root.start_mark.line, root
    for step in path:
        found = _child(node, step)
        if found is None:
            break
        line, node = found
    return line


def _child(node: yaml.Node, step: str | int) -> tuple[int, yaml.Node] | None:
    """The value under a key with the key's line, or an item with its own."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == str(step):
                return key.start_mark.line, value
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        item = node.value[step]
        return item.start_mark.line, item
    return None


@dataclass(frozen=True, slots=True)
class ManifestFile:
    """What one file holds: objects, refused ones with the reason, and kinds passed over."""

    objects: tuple[Manifest, ...]
    refused: tuple[tuple[Key | None, InvalidObject], ...]
    ignored: tuple[tuple[Position, str], ...]


def parse(text: str, file: str) -> ManifestFile:
    """Read a stream of objects; raises UnreadableManifest when it is no YAML."""
    objects: dict[Key, Manifest] = {}
    refused: list[tuple[Key | None, InvalidObject]] = []
    ignored: list[tuple[Position, str]] = []
    for written in _objects(read(text, file)):
        try:
            manifest = _manifest(written)
        except InvalidObject as error:
            refused.append((_key(written.data), error))
            continue
        if manifest is None:
            what = f"{written.data['kind']} of {written.data['apiVersion']} is not used"
            ignored.append((written.position, what))
            continue
        first = objects.setdefault(manifest.key, manifest)
        if first is not manifest:
            what = f"{'/'.join(manifest.key)} is already given at {first.position}"
            refused.append((None, InvalidObject(manifest.position, "metadata.name", what)))
    return ManifestFile(tuple(objects.values()), tuple(refused), tuple(ignored))


@dataclass(frozen=True, slots=True)
class _Written:
    position: Position
    data: Any
    fault: InvalidObject | None
    source: str
    within: Path = ()


def _objects(documents: list[Document]) -> Iterator[_Written]:
    """Objects of a stream; those of a List one by one, as kubectl takes them."""
    for document in documents:
        whole = _Written(document.position, document.data, document.fault, document.text)
        items = document.data.get("items") if isinstance(document.data, dict) else None
        if document.fault or not isinstance(items, list) or document.data.get("kind") != "List":
            yield whole
            continue
        root, position = _compose(document.text), document.position
        for index, item in enumerate(items):
            within: Path = ("items", index)
            if root is not None:
                below = _line_of(root, within) - root.start_mark.line
                position = Position(document.position.file, document.position.line + below)
            yield _Written(position, item, None, document.text, within)


def _manifest(written: _Written) -> Manifest | None:
    """The object, None for a kind that is none of ours."""
    document, position = written.data, written.position
    if not isinstance(document, dict):
        raise written.fault or InvalidObject(
            position, "", "expected an object with apiVersion, kind and metadata"
        )
    api_version = _text(document, "apiVersion", position, "apiVersion")
    kind = _text(document, "kind", position, "kind")
    ours = api_version.split("/")[0] in OUR_GROUPS
    if not ours and (api_version, kind) != ("v1", "Secret"):
        return None
    namespace, name = _identity(document, position)
    fault = written.fault
    if kind == "AuthConfig" and api_version.startswith(f"{AUTH_GROUP}/"):
        if fault is None and api_version not in AUTH_VERSIONS:
            what = f"{api_version} is not supported, expected one of {', '.join(AUTH_VERSIONS)}"
            fault = InvalidObject(position, "apiVersion", what)
    elif ours:
        what = f"{kind} of {api_version} is not supported yet"
        raise fault or InvalidObject(position, "kind", what)
    elif fault is not None:
        raise fault
    return Manifest(
        api_version,
        kind,
        namespace,
        name,
        document,
        position,
        fault,
        "" if kind == "Secret" else written.source,
        written.within,
    )


def _identity(document: Mapping[str, Any], position: Position) -> tuple[str, str]:
    """Namespace and name."""
    metadata = document.get("metadata")
    if not isinstance(metadata, dict):
        raise InvalidObject(position, "metadata", "expected a mapping with a name")
    name = _text(metadata, "name", position, "metadata.name")
    if not _SUBDOMAIN.fullmatch(name):
        what = f"{name!r} is no name: expected lower-case letters, digits, '-' and '.'"
        raise InvalidObject(position, "metadata.name", what)
    namespace = metadata.get("namespace") or "default"
    if not isinstance(namespace, str) or not _LABEL.fullmatch(namespace):
        what = f"{namespace!r} is no namespace: expected lower-case letters, digits and '-'"
        raise InvalidObject(position, "metadata.namespace", what)
    return namespace, name


def _text(mapping: Mapping[str, Any], key: str, position: Position, field: str) -> str:
    value = mapping.get(key)
    if not isinstance(value, str) or not value:
        raise InvalidObject(position, field, "expected a non-empty string")
    return value


def _key(document: Any) -> Key | None:
    """The identity of a refused object, as far as it can be told."""
    if not isinstance(document, dict) or not isinstance(document.get("metadata"), dict):
        return None
    kind, metadata = document.get("kind"), document["metadata"]
    name, namespace = metadata.get("name"), metadata.get("namespace") or "default"
    if isinstance(kind, str) and isinstance(name, str) and isinstance(namespace, str):
        return kind, namespace, name
    return None
