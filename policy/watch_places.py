"""Which directories have to be watched to see every change of some paths, and for which names."""

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from policy.files import SUFFIXES

MOST_LINKS = 40  # as the kernel: what resolves through more is a loop


@dataclass(slots=True)
class Place:
    """What matters in one directory.

    names: parts of a configured path, links and their targets included. ends: of these, names whose
    content is read. tree: all manifests in it matter.
    """

    names: set[str] = field(default_factory=set)
    ends: set[str] = field(default_factory=set)
    tree: bool = False

    @property
    def contents(self) -> bool:
        """Whether writes to files matter, not only names that come and go."""
        return self.tree or bool(self.ends)

    def concerns(self, name: str, write: bool) -> bool:
        if name in (self.ends if write else self.names):
            return True
        if not self.tree or name.startswith("."):
            return False
        return name.endswith(SUFFIXES) if write else True


def places(paths: Iterable[Path]) -> dict[str, Place]:
    """By directory, without links in its path; `paths` need not exist."""
    found: dict[str, Place] = {}
    for path in paths:
        end = _resolve(os.path.abspath(path), found)
        if end is not None and os.path.isdir(end):
            _tree(end, set(), found)
    return found


def _resolve(path: str, found: dict[str, Place]) -> str | None:
    """Note every step of the way; gives where it ends, None for nowhere."""
    waiting = _steps(path)
    folder, links = "/", 0
    while waiting:
        step = waiting.pop()
        if step == "..":
            folder = os.path.dirname(folder)
            continue
        place = found.setdefault(folder, Place())
        place.names.add(step)
        here = os.path.join(folder, step)
        try:
            target = os.readlink(here)
        except OSError:  # no link, or nothing at all
            if waiting and not os.path.isdir(here):
                return None
            if not waiting:
                place.ends.add(step)
            folder = here
            continue
        links += 1
        if links > MOST_LINKS:
            return None
        if target.startswith("/"):
            folder = "/"
        waiting += _steps(target)
    return folder


def _steps(path: str) -> list[str]:
    return [step for step in reversed(path.split("/")) if step not in ("", ".")]


def _tree(folder: str, above: set[str], found: dict[str, Place]) -> None:
    if folder in above:
        return
    found.setdefault(folder, Place()).tree = True
    try:
        entries = list(os.scandir(folder))
    except OSError:
        return
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if entry.is_symlink():
            end = _resolve(entry.path, found)
            if end is not None and os.path.isdir(end):
                _tree(end, above | {folder}, found)
        elif entry.is_dir(follow_symlinks=False):
            _tree(entry.path, above | {folder}, found)
