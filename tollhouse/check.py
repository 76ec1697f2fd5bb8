"""`tollhouse check`: says what is wrong with limits files and manifests, and serves nothing."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import yaml

from _fastpath.cells import Series
from _fastpath.identity import IdentityTable
from authz.configuration import Configuration
from policy.authorization import AuthorizationObjects
from policy.files import ManifestFiles
from ratelimit import limitador_file
from ratelimit.errors import LimitsFileError
from tollhouse.manifests_source import unreadable
from tollhouse.settings import CheckSettings


def run(settings: CheckSettings) -> int:
    """Print a line per finding; returns 0 when all is usable, else 1."""
    limits, manifests = _sort(settings.paths)
    errors: list[str] = []
    warnings: list[str] = []
    for path in limits:
        _check_limits(path, errors, warnings)
    _check_manifests(manifests, errors, warnings)
    for line in errors:
        print(line)
    for line in warnings:
        print(f"{line} (warning)")
    return 1 if errors or (settings.strict and warnings) else 0


def _sort(paths: Iterable[Path]) -> tuple[list[Path], list[Path]]:
    """Limits files are lists, manifests are objects."""
    limits: list[Path] = []
    manifests: list[Path] = []
    for path in paths:
        (limits if path.is_file() and _is_list(path) else manifests).append(path)
    return limits, manifests


def _is_list(path: Path) -> bool:
    """Whether the first document is a list, or nothing: an empty file has no limits."""
    try:
        with path.open("rb") as file:
            for event in yaml.parse(file, Loader=yaml.CSafeLoader):
                if isinstance(event, yaml.NodeEvent):
                    return not isinstance(event, yaml.MappingStartEvent)
    except (OSError, yaml.YAMLError):
        return False
    return True


def _check_limits(path: Path, errors: list[str], warnings: list[str]) -> None:
    try:
        found = limitador_file.load(str(path))
    except LimitsFileError as error:
        errors += map(str, error.problems)
    else:
        warnings += map(str, found.warnings)


def _check_manifests(paths: Sequence[Path], errors: list[str], warnings: list[str]) -> None:
    roots = tuple(map(str, paths))
    closed = [text for root in roots if (text := unreadable(root)) is not None]
    errors += closed
    if not roots or closed:
        return
    objects = AuthorizationObjects(Configuration(IdentityTable(), Series(1)))
    objects.apply(ManifestFiles(roots).changes())
    errors += map(str, objects.problems())
    warnings += objects.notices()
