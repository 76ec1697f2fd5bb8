"""A circuit breaker: stops calling a destination that fails most of the time."""

from collections import deque

from authz.outgoing.bounds import CircuitBounds


class Circuit:
    """Of one destination; see CircuitBounds. Times are seconds of the event loop."""

    def __init__(self, bounds: CircuitBounds) -> None:
        self._bounds = bounds
        self._failed: deque[bool] = deque(maxlen=bounds.calls)
        self._open_until: float | None = None
        self._trying = False
        self.opened = 0

    def admits(self, now: float) -> bool:
        """Whether a call may go out; one that may while the circuit is open is the trial."""
        if self._open_until is None:
            return True
        if self._trying or now < self._open_until:
            return False
        self._trying = True
        return True

    def succeeded(self) -> None:
        if self._trying:
            self._open_until, self._trying = None, False
            self._failed.clear()
        self._failed.append(False)

    def failed(self, now: float) -> None:
        self._failed.append(True)
        tripped = self._failed.count(True) >= self._bounds.failures
        if self._trying or (tripped and self._open_until is None):
            self._open_until, self._trying = now + self._bounds.open_seconds, False
            self.opened += 1

    def abandoned(self) -> None:
        """The call ended without saying anything about the destination."""
        self._trying = False

    def is_open(self) -> bool:
        return self._open_until is not None

    def is_untroubled(self) -> bool:
        """Whether nothing would be lost by forgetting it."""
        return not self.is_open() and not any(self._failed)
