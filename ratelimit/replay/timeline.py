"""Requests over time in a bounded number of steps, whatever span they turn out to have."""

from collections.abc import Iterator

SECOND_NS = 1_000_000_000
MOST_STEPS = 240


class Timeline:
    """Passed and refused requests per step of wall time. A step is a second first and doubles
    whenever the span would need more than MOST_STEPS of them."""

    def __init__(self) -> None:
        self.step_ns = SECOND_NS
        self._steps: dict[int, list[int]] = {}

    def note(self, wall_ns: int, *, refused: bool) -> None:
        """Times come in ascending order."""
        number = wall_ns // self.step_ns
        found = self._steps.get(number)
        if found is None:
            first = next(iter(self._steps), number)
            while number - first >= MOST_STEPS:
                self._double()
                number = wall_ns // self.step_ns
                first = next(iter(self._steps))
            found = self._steps.setdefault(number, [0, 0])
        found[refused] += 1

    def _double(self) -> None:
        self.step_ns *= 2
        merged: dict[int, list[int]] = {}
        for number, (passed, refused) in self._steps.items():
            pair = merged.setdefault(number // 2, [0, 0])
            pair[0] += passed
            pair[1] += refused
        self._steps = merged

    def steps(self) -> Iterator[tuple[int, int, int]]:
        """(start in wall ns, passed, refused), ascending, steps without requests included."""
        if not self._steps:
            return
        for number in range(min(self._steps), max(self._steps) + 1):
            passed, refused = self._steps.get(number, (0, 0))
            yield number * self.step_ns, passed, refused
