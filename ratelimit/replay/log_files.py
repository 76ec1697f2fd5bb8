"""Lines of log files, plain or gzip, as records in order of time."""

import gzip
import heapq
import sys
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from io import BufferedIOBase, BufferedReader

from ratelimit.replay.access_log import Record, read_line
from ratelimit.replay.errors import ReplayError

MAX_LINE_BYTES = 1 << 20  # arbitrary: a longer line is skipped, and never held whole
_GZIP = b"\x1f\x8b"
STDIN = "-"


class LogFiles:
    """lines, skipped: read so far, and of these in no known form. advanced: told how many bytes
    of the files were used up, as they stand on disk."""

    def __init__(
        self, paths: Sequence[str], advanced: Callable[[int], None] = lambda count: None
    ) -> None:
        self._paths = paths
        self._advanced = advanced
        self.lines = 0
        self.skipped = 0

    def records(self) -> Iterator[Record]:
        """Of all files, merged by time, each being in order itself. Raises ReplayError."""
        return heapq.merge(*map(self._of_file, self._paths), key=lambda record: record.wall_ns)

    def _of_file(self, path: str) -> Iterator[Record]:
        try:
            with ExitStack() as opened:
                place: str | int = sys.stdin.fileno() if path == STDIN else path
                raw = opened.enter_context(open(place, "rb", closefd=path != STDIN))
                packed = raw.peek(2)[:2] == _GZIP
                stream = opened.enter_context(gzip.open(raw)) if packed else raw
                yield from self._of_stream(raw, stream)
        except OSError as error:
            raise ReplayError(f"{path}: cannot be read: {error.strerror or error}") from error
        except EOFError as error:
            raise ReplayError(f"{path}: cannot be read: the gzip data is cut off") from error
        except zlib.error as error:
            raise ReplayError(f"{path}: cannot be read: the gzip data is damaged") from error

    def _of_stream(self, raw: BufferedReader, stream: BufferedIOBase) -> Iterator[Record]:
        used = 0
        for line in _lines(stream):
            self.lines += 1
            if self.lines % 1024 == 0 and raw.seekable():
                position = raw.tell()
                self._advanced(position - used)
                used = position
            record = None
            if line is not None:
                record = read_line(line.decode("utf-8", errors="replace").rstrip("\r\n"))
            if record is None:
                self.skipped += 1
            else:
                yield record


def _lines(stream: BufferedIOBase) -> Iterator[bytes | None]:
    """Lines that are not empty; None for one that is too long."""
    while line := stream.readline(MAX_LINE_BYTES):
        if not line.endswith(b"\n") and len(line) == MAX_LINE_BYTES:
            while (rest := stream.readline(MAX_LINE_BYTES)) and not rest.endswith(b"\n"):
                pass
            yield None
        elif line.strip():
            yield line
