from typing import NamedTuple

from _fastpath.clock import Clock
from _fastpath.counters import CounterTable

class Suspects(NamedTuple):
    """What a failed authentication is counted by.

    place: the AuthConfig; each counts for itself. source: the caller's address, "" if it is not
    known. credentials: what was presented, or the ids that came with it; without any, nothing was
    tried: nothing is counted, and nobody has to wait.
    """

    place: str
    source: str
    credentials: tuple[bytes, ...]

class Throttle:
    """Counts failed authentications in a sliding window and tells whose attempts have to wait.

    Sources count by address, IPv6 by /64. Counters stand under keyed digests, in a table of their
    own, which bounds them; the native lane uses the same ones. Any thread.
    """

    def __init__(
        self,
        counters: CounterTable,
        *,
        per_source: int = 0,
        per_credential: int = 0,
        window_ns: int,
    ) -> None:
        """Failures that one source, and one credential, may have per window; 0: not counted.

        Raises ValueError for a window that is not positive.
        """

    def blocked(self, suspects: Suspects, clock: Clock) -> tuple[str, int] | None:
        """("source" or "credential", whole seconds to wait, at least 1); None: nobody waits."""

    def failed(self, suspects: Suspects, clock: Clock) -> None:
        """Count one failure."""

THROTTLED: str
