"""Manifest files of directories, read again only when they changed."""

import errno
import os
import stat
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from policy.rested_file import read_rested

SUFFIXES = (".yaml", ".yml", ".json")
MOST_BYTES = 64 << 20  # arbitrary: far beyond what anybody writes, small enough to hold

# A file written within the clock's step of the reading may be written again without a new time.
CLOCK_STEP_NS = 20_000_000

Signature = tuple[int, int, int, int, int]  # device, inode, size, mtime and ctime in ns
SIZE = 2
UNSETTLED: Signature = (0, 0, -1, 0, 0)  # of a file to be read again


@dataclass(frozen=True, slots=True)
class FileChange:
    """`text` is None for a file that went; `problem` says why one could not be read."""

    path: str
    text: str | None
    problem: str | None = None


def manifest_paths(roots: Sequence[str], unreadable: Callable[[OSError], None]) -> Iterator[str]:
    """Files named by `roots` or below them, in order of path; hidden names are passed over.

    A mounted ConfigMap works: its visible entries are links, its `..data` is hidden. A folder that
    links lead to twice is read once; one that cannot be listed is told to `unreadable`.
    """
    entered: set[tuple[int, int]] = set()
    for root in roots:
        if not os.path.isdir(root):
            yield root
            continue
        for folder, folders, names in os.walk(root, onerror=unreadable, followlinks=True):
            if not enter(folder, entered):
                folders.clear()
                continue
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            for name in sorted(names):
                if name.endswith(SUFFIXES) and not name.startswith("."):
                    yield os.path.join(folder, name)


def enter(folder: str, entered: set[tuple[int, int]]) -> bool:
    """Note a folder; False when it was noted before or is gone."""
    try:
        found = os.stat(folder)
    except OSError:
        return False
    place = found.st_dev, found.st_ino
    if place in entered:
        return False
    entered.add(place)
    return True


@dataclass(slots=True)
class ManifestFiles:
    """Remembers what it has read of `roots`. Not for use from several threads.

    A root that vanished and a folder that cannot be listed keep what was read of them: a volume
    that is away for a moment must not take policies along.
    """

    roots: tuple[str, ...]
    _now_ns: Callable[[], int] = time.time_ns
    _seen: dict[str, Signature] = field(default_factory=dict)

    def changes(self) -> list[FileChange]:
        """What is new, different or gone since the last call, in order of path."""
        found: list[FileChange] = []
        present: dict[str, Signature] = {}
        away: list[OSError] = []
        for path in manifest_paths(self.roots, away.append):
            try:
                signature = self._signature(path)
            except FileNotFoundError as error:
                if path in self.roots:
                    away.append(error)
                continue
            except OSError as error:
                present[path] = UNSETTLED
                found.append(FileChange(path, "", f"cannot be read: {error.strerror}"))
                continue
            present[path] = signature
            if self._seen.get(path) != signature:
                if self._now_ns() - signature[-1] < CLOCK_STEP_NS:
                    present[path] = UNSETTLED
                before = self._seen.get(path)
                found.append(_read(path, had_content=before is not None and before[SIZE] != 0))
        for failure in away:
            self._keep(failure, present, found)
        gone = [FileChange(path, None) for path in self._seen if path not in present]
        self._seen = present
        return gone + found

    def _keep(self, error: OSError, present: dict[str, Signature], found: list[FileChange]) -> None:
        """Leave everything below a place that cannot be read as it was."""
        place = os.fspath(error.filename)
        below = (path for path in self._seen if path.startswith(place.rstrip("/") + "/"))
        for path in below:
            present.setdefault(path, self._seen[path])
        if isinstance(error, FileNotFoundError) and place not in self.roots:
            return  # went while it was walked; the next look sees it gone
        present[place] = UNSETTLED
        found.append(FileChange(place, "", f"cannot be read: {error.strerror}"))

    def _signature(self, path: str) -> Signature:
        found = os.stat(path)
        if not stat.S_ISREG(found.st_mode) and path not in self.roots:
            raise OSError(errno.EINVAL, "is no regular file")  # a pipe would block
        times = found.st_mtime_ns, found.st_ctime_ns
        return found.st_dev, found.st_ino, found.st_size, *times


def _read(path: str, *, had_content: bool) -> FileChange:
    try:
        data = read_rested(path, had_content=had_content)
    except OSError as error:
        return FileChange(path, "", f"cannot be read: {error.strerror}")
    if len(data) > MOST_BYTES:
        return FileChange(path, "", f"is larger than {MOST_BYTES} bytes")
    try:
        return FileChange(path, data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        return FileChange(path, "", f"is no UTF-8 at byte {error.start}")
