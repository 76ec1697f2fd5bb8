"""When a burst of file changes is over, so that the files may be read."""

from dataclasses import dataclass, field

NS = 10**9


@dataclass(slots=True)
class Settling:
    """Fed with changes on a monotonic clock; says when to read.

    A file that was written but not closed is probably half written: it is waited for longer.
    All times are nanoseconds.
    """

    quiet_ns: int = NS // 100
    """Nothing may have happened for so long."""
    longest_ns: int = 3 * NS // 100
    """A change is not held back for longer, whatever else happens meanwhile."""
    open_quiet_ns: int = NS
    """As quiet_ns, while a written file is still open. Writers that pause longer are not served."""
    open_longest_ns: int = 2 * NS
    """As longest_ns, while a written file is still open."""
    _first_ns: int | None = None
    _last_ns: int = 0
    _open: set[str] = field(default_factory=set)

    def changed(self, now_ns: int) -> None:
        """A name appeared, went or points elsewhere."""
        if self._first_ns is None:
            self._first_ns = now_ns
        self._last_ns = now_ns

    def written(self, file: str, now_ns: int) -> None:
        self._open.add(file)
        self.changed(now_ns)

    def closed(self, file: str, now_ns: int) -> None:
        """No longer written under this name: closed, renamed or deleted."""
        self._open.discard(file)
        self.changed(now_ns)

    def due_ns(self) -> int | None:
        """When to read; None while nothing changed."""
        if self._first_ns is None:
            return None
        if self._open:
            return min(self._last_ns + self.open_quiet_ns, self._first_ns + self.open_longest_ns)
        return min(self._last_ns + self.quiet_ns, self._first_ns + self.longest_ns)

    def read(self) -> None:
        """The files are being read now; the next change begins a new burst."""
        self._first_ns = None
        self._open.clear()
