"""`tollhouse check`: says what is wrong with limits files, domain files and manifests."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from _fastpath.cells import Series
from authz.configuration import Configuration
from authz.kubernetes_api import KubernetesApi
from authz.opa.choice import AUTO, RegoSettings
from authz.services import Services
from policy.authorization import AuthorizationObjects
from policy.files import ManifestFiles
from ratelimit import limitador_file
from ratelimit.descriptors import domain_file
from ratelimit.errors import LimitsFileError
from tollhouse.manifests_source import unreadable
from tollhouse.settings import CheckSettings


def run(settings: CheckSettings) -> int:
    """Print a line per finding; returns 0 when all is usable, else 1."""
    given = _sort(settings.paths)
    errors: list[str] = []
    warnings: list[str] = []
    for path in given.limits:
        _check_limits(path, errors, warnings)
    _check_domains(given.domains, errors, warnings)
    _check_manifests(given.manifests, errors, warnings)
    for line in errors:
        print(line)
    for line in warnings:
        print(f"{line} (warning)")
    return 1 if errors or (settings.strict and warnings) else 0


@dataclass(slots=True)
class _Given:
    """Limits files are lists, domain files name a domain, manifests are all else."""

    limits: list[Path] = field(default_factory=list)
    domains: list[Path] = field(default_factory=list)
    manifests: list[Path] = field(default_factory=list)


def _sort(paths: Iterable[Path]) -> _Given:
    given = _Given()
    for path in paths:
        keys = _keys(path) if path.is_file() else ()
        if keys is None:
            given.limits.append(path)
        elif "domain" in keys and "kind" not in keys:
            given.domains.append(path)
        else:
            given.manifests.append(path)
    return given


def _keys(path: Path) -> Sequence[str] | None:
    """The keys of the first document; None for a list or nothing: an empty file has no limits."""
    try:
        with path.open("rb") as file:
            events = yaml.parse(file, Loader=yaml.CSafeLoader)
            first = next((e for e in events if isinstance(e, yaml.NodeEvent)), None)
            if not isinstance(first, yaml.MappingStartEvent):
                return None
            return tuple(_keys_of_mapping(events))
    except (OSError, yaml.YAMLError):
        return ()


def _keys_of_mapping(events: Iterable[yaml.Event]) -> Iterator[str]:
    """Of the mapping that was just entered, as far as they are text."""
    depth, nodes = 0, 0
    for event in events:
        if isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
            if depth < 0:
                return
        elif isinstance(event, yaml.NodeEvent):
            nodes += depth == 0
            if isinstance(event, yaml.ScalarEvent) and depth == 0 and nodes % 2:
                yield event.value
            depth += isinstance(event, yaml.CollectionStartEvent)


def _check_limits(path: Path, errors: list[str], warnings: list[str]) -> None:
    try:
        found = limitador_file.load(str(path))
    except LimitsFileError as error:
        errors += map(str, error.problems)
    else:
        warnings += map(str, found.warnings)


def _check_domains(paths: Iterable[Path], errors: list[str], warnings: list[str]) -> None:
    files = []
    for path in paths:
        try:
            files.append(domain_file.parse_bytes(path.read_bytes(), str(path)))
        except OSError as error:
            errors.append(f"{path}: cannot be read: {error.strerror}")
        except LimitsFileError as error:
            errors += map(str, error.problems)
    between = domain_file.problems_of(files, merge=True)
    errors += map(str, between)
    if not between:
        # Whether files of one domain are joined is said where they are served.
        warnings += map(str, domain_file.problems_of(files, merge=False))
    for file in files:
        warnings += map(str, file.warnings)


def _check_manifests(paths: Sequence[Path], errors: list[str], warnings: list[str]) -> None:
    roots = tuple(map(str, paths))
    closed = [text for root in roots if (text := unreadable(root)) is not None]
    errors += closed
    if not roots or closed:
        return
    # What the machine that serves has of an API server cannot be known here.
    services = Services(
        kubernetes=KubernetesApi({"KUBECONFIG": "assumed"}), rego_settings=RegoSettings(AUTO)
    )
    objects = AuthorizationObjects(Configuration(services, Series(1)))
    objects.apply(ManifestFiles(roots).changes())
    errors += map(str, objects.problems())
    warnings += objects.notices()
