"""The domains in force, and what became of the newest configuration.

Used on the event loop. Counters live outside of the configuration: they survive every change, also
that of a limit, until their window ends.
"""

import time
from collections.abc import Callable, Sequence

from _fastpath.cells import Series
from _fastpath.handler import Unit
from ratelimit.descriptors.configuration import Domains, build
from ratelimit.descriptors.domain_file import DomainFile
from ratelimit.errors import LimitsFileError, Problem
from ratelimit.generations import Generations


class ActiveDomains:
    """publish: puts an index into the native plan and returns the plan's generation.
    merge: files of one domain are joined instead of refused."""

    def __init__(
        self,
        series: Series,
        publish: Callable[[Unit], int],
        *,
        merge: bool,
        near_ratio: float,
        mono_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._series = series
        self._publish = publish
        self._merge = merge
        self._near_ratio = near_ratio
        self._mono_ns = mono_ns
        self._generations = Generations(Domains())
        self.loads = 0
        """Configurations taken over."""
        self.refusals = 0
        self.problems: tuple[Problem, ...] = ()
        """Why the newest one was refused, while it is."""

    @property
    def loaded(self) -> bool:
        """Whether there was a first configuration; nothing can be decided before."""
        return self.loads > 0

    @property
    def current(self) -> Domains:
        return self._generations.current

    def at(self, generation: int) -> Domains:
        return self._generations.at(generation)

    def build(self, files: Sequence[DomainFile]) -> Domains:
        """Compile without taking over; for a worker thread while nobody else builds. Raises
        LimitsFileError."""
        return build(
            files, self._series, self.current, merge=self._merge, near_ratio=self._near_ratio
        )

    def apply(self, domains: Domains) -> None:
        """Publish what `build` made of the current ones."""
        assert domains.unit is not None
        generation = self._publish(domains.unit)
        self._generations.replace(domains, generation, self._mono_ns())
        self.loads += 1
        self.problems = ()

    def refuse(self, error: LimitsFileError) -> None:
        """Note a configuration that was refused; what was in force stays."""
        self.refusals += 1
        self.problems = error.problems
