"""A file between a truncation and a write is not taken for its new version."""

import os
from pathlib import Path

from policy.rested_file import LONGEST_NS, YOUNG_NS, read_rested

SECOND = 10**9


class Writer:
    """A wall clock whose sleeps let somebody write."""

    def __init__(self, path: Path, steps: list[bytes]) -> None:
        self.path, self.steps, self.now = path, steps, 1_790_000_000 * SECOND
        self.write(steps.pop(0), self.now - SECOND)

    def write(self, data: bytes, modified_ns: int) -> None:
        self.path.write_bytes(data)
        os.utime(self.path, ns=(modified_ns, modified_ns))

    def sleep(self, seconds: float) -> None:
        self.now += round(seconds * SECOND)
        if self.steps:
            self.write(self.steps.pop(0), self.now)

    def read(self, *, had_content: bool) -> bytes:
        return read_rested(
            self.path, had_content=had_content, wall_ns=lambda: self.now, sleep=self.sleep
        )


def test_old_file_is_read_at_once(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "f", [b"old", b"never"])
    assert writer.read(had_content=True) == b"old"


def test_emptied_file_is_given_time(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "f", [b"", b"new"])
    assert writer.read(had_content=True) == b"new"


def test_file_written_just_now_is_read_until_it_rests(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "f", [b"", b"ha", b"half", b"half and whole"])
    os.utime(writer.path, ns=(writer.now, writer.now))
    assert writer.read(had_content=False) == b"half and whole"


def test_file_that_stays_empty_counts_in_the_end(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "f", [b""])
    start = writer.now
    assert writer.read(had_content=True) == b""
    assert LONGEST_NS <= writer.now - start <= LONGEST_NS + YOUNG_NS


def test_empty_file_that_was_empty_is_read_at_once(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "f", [b"", b"never"])
    assert writer.read(had_content=False) == b""
