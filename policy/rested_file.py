"""Reads a file that, as far as one can tell from outside, nobody is in the middle of writing."""

import os
import time
from collections.abc import Callable

YOUNG_NS = 10_000_000
LONGEST_NS = 200_000_000


def read_rested(
    path: str | os.PathLike[str],
    *,
    had_content: bool,
    wall_ns: Callable[[], int] = time.time_ns,
    sleep: Callable[[float], None] = time.sleep,
) -> bytes:
    """The bytes of a file, read again while it was written just now. Raises OSError.

    A notice about another file may fall between a writer's truncation and its write; what is read
    then is no version of the file. So a file younger than YOUNG_NS is given time, and so is one
    that `had_content` and is empty, LONGEST_NS at most. Blocks: for worker threads.
    """
    start = wall_ns()
    while True:
        with open(path, "rb") as file:
            data = file.read()
            modified = os.fstat(file.fileno()).st_mtime_ns
        now = wall_ns()
        young = 0 <= now - modified < YOUNG_NS
        emptied = had_content and not data
        if not (young or emptied) or not 0 <= now - start < LONGEST_NS:
            return data
        sleep(YOUNG_NS / 1e9)
