"""Counters in a SQLite file: one row per counter, written in one transaction per flush.

The file is held by one process. With its write-ahead log a process that dies leaves every finished
transaction behind; a machine that dies may lose the last ones, and never the file.
"""

import contextlib
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from _fastpath.counters import SavedCounter

APPLICATION = 0x546F6C6C  # "Toll", in the file's header
FORMAT = 1
_SCHEMA = f"""
CREATE TABLE counters (
    key BLOB PRIMARY KEY,
    expires_wall_ns INTEGER NOT NULL,
    state BLOB NOT NULL
) WITHOUT ROWID;
PRAGMA application_id = {APPLICATION};
PRAGMA user_version = {FORMAT};
"""
_UPSERT = "INSERT OR REPLACE INTO counters VALUES (?, ?, ?)"
_COMPANIONS = ("", "-wal", "-shm")
CACHE_KIB = 16 << 10
BUSY_SECONDS = 2.0  # for the process before this one to let go of the file


class DamagedFile(Exception):
    """The file is no SQLite file, a damaged one, or one that somebody else wrote."""


class StateFile:
    """An open file. One thread at a time.

    Every method raises sqlite3.OperationalError for a file that cannot be used now (locked, read
    only, disk full), and DamagedFile.
    """

    def __init__(self, path: Path) -> None:
        """Open it, or make it for its owner alone: keys may name people. Raises OSError too."""
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        with _damage():
            self._connection = sqlite3.connect(
                path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
            try:
                self._prepare()
            except BaseException:
                self._connection.close()
                raise

    def _prepare(self) -> None:
        execute = self._connection.execute
        execute("PRAGMA locking_mode = EXCLUSIVE")
        execute("PRAGMA journal_mode = WAL")
        execute("PRAGMA synchronous = NORMAL")
        execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        with self._transaction():
            (application,) = execute("PRAGMA application_id").fetchone()
            (version,) = execute("PRAGMA user_version").fetchone()
            (tables,) = execute("SELECT count(*) FROM sqlite_schema").fetchone()
            if not tables and not application:
                for statement in _SCHEMA.split(";"):
                    execute(statement)
            elif (application, version) != (APPLICATION, FORMAT):
                raise DamagedFile("not written by this version of Tollhouse")
        (found,) = execute("PRAGMA quick_check(1)").fetchone()
        if found != "ok":
            raise DamagedFile(found)

    def counters(self, digests: Iterable[bytes], chunk: int) -> Iterator[list[SavedCounter]]:
        """All rows of these limits, in lists of at most `chunk`."""
        for digest in digests:
            with _damage():
                rows = self._connection.execute(
                    "SELECT key, expires_wall_ns, state FROM counters WHERE key BETWEEN ? AND ?",
                    _range(digest),
                )
            while True:
                with _damage():
                    found = rows.fetchmany(chunk)
                if not found:
                    break
                try:
                    yield [SavedCounter(*row) for row in found]
                except TypeError as error:
                    raise DamagedFile("a row of another shape") from error

    def keep_only(self, digests: Iterable[bytes]) -> None:
        """Delete the rows of all other limits."""
        with self._transaction() as execute:
            execute("CREATE TEMP TABLE kept (digest BLOB PRIMARY KEY)")
            self._connection.executemany("INSERT INTO kept VALUES (?)", [(d,) for d in digests])
            execute(
                "DELETE FROM counters WHERE substr(key, 1, 16) NOT IN (SELECT digest FROM kept)"
            )
            execute("DROP TABLE kept")

    def write(
        self,
        changed: Iterable[SavedCounter],
        removed: Sequence[bytes],
        removed_limits: Sequence[bytes],
    ) -> None:
        """All of it or nothing: first what is removed, by key and by limit, then what changed."""
        with self._transaction() as execute:
            for digest in removed_limits:
                execute("DELETE FROM counters WHERE key BETWEEN ? AND ?", _range(digest))
            self._connection.executemany(
                "DELETE FROM counters WHERE key = ?", [(key,) for key in removed]
            )
            # In the order of the file, so that each page is visited once.
            self._connection.executemany(_UPSERT, sorted(changed))

    def expire(self, wall_ns: int) -> None:
        """Delete the rows whose time is over."""
        with self._transaction() as execute:
            execute("DELETE FROM counters WHERE expires_wall_ns <= ?", (wall_ns,))

    def __len__(self) -> int:
        with _damage():
            (rows,) = self._connection.execute("SELECT count(*) FROM counters").fetchone()
        return int(rows)

    def close(self) -> None:
        with _damage():
            self._connection.close()

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[Callable[..., sqlite3.Cursor]]:
        with _damage():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection.execute
            except BaseException:
                # SQLite may have rolled back by itself, for example on a full disk.
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")


def set_aside(path: Path, moment: datetime) -> Path:
    """Rename a damaged file and its companions; returns the new name. Raises OSError."""
    stamp = moment.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    aside = path.with_name(f"{path.name}.damaged-{stamp}")
    for companion in _COMPANIONS:
        source = path.with_name(path.name + companion)
        with contextlib.suppress(FileNotFoundError):
            source.rename(aside.with_name(aside.name + companion))
    return aside


def _range(digest: bytes) -> tuple[bytes, bytes]:
    """Bounds of the keys that begin with a digest; behind it stand fewer than 2^32 bytes of sizes
    and text, never four bytes of 0xff."""
    return digest, digest + b"\xff\xff\xff\xff"


@contextlib.contextmanager
def _damage() -> Iterator[None]:
    """Tells damage from a file that cannot be used now, which is an OperationalError."""
    try:
        yield
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError as error:
        raise DamagedFile(str(error)) from error
