"""How long decisions and evaluators took, in Authorino's buckets.

Filled on the event loop, read from any thread.
"""

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import accumulate

from prometheus_client import Metric

# Added up, as Authorino does: the bounds have the same digits there.
BOUNDS_S = tuple(accumulate([0.001, *[0.05] * 19]))
_BOUNDS_NS = tuple(int(bound * 1e9) for bound in BOUNDS_S)

Labels = tuple[str, ...]
Extra = tuple[tuple[str, str], ...]
"""Labels that the request's metadata asked for."""


@dataclass(slots=True)
class Histogram:
    """counts: by bucket, not added up; the last is of what is beyond all bounds."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS_S) + 1))
    sum_ns: int = 0

    def observe(self, duration_ns: int) -> None:
        self.counts[bisect_left(_BOUNDS_NS, duration_ns)] += 1
        self.sum_ns += duration_ns


class Durations:
    """Histograms by family and labels."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, Labels, Extra], Histogram] = {}

    def observe(self, family: str, labels: Labels, extra: Extra, duration_ns: int) -> None:
        key = family, labels, extra
        histogram = self._found.get(key)
        if histogram is None:
            histogram = self._found[key] = Histogram()
        histogram.observe(duration_ns)

    def one(self, family: str) -> Histogram:
        """Of a family without labels."""
        return self._found.get((family, (), ()), Histogram())

    def of(self, family: str) -> Iterator[tuple[Labels, Extra, Histogram]]:
        for (name, labels, extra), histogram in self._found.copy().items():
            if name == family:
                yield labels, extra, histogram


def add_samples(metric: Metric, labels: dict[str, str], histogram: Histogram, fast: int) -> None:
    """fast: what counts in the least bucket besides, with no time."""
    count = fast
    for bound, more in zip((*map(str, BOUNDS_S), "+Inf"), histogram.counts, strict=True):
        count += more
        metric.add_sample(f"{metric.name}_bucket", {**labels, "le": bound}, count)
    metric.add_sample(f"{metric.name}_count", labels, count)
    metric.add_sample(f"{metric.name}_sum", labels, histogram.sum_ns / 1e9)
