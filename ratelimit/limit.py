"""The limit: what may be used how often, and what makes two limits the same one."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b

from _fastpath.limit_spec import Algorithm, OnError, Quota

DIGEST_SIZE = 16
MAX_WINDOW_NS = 2**63 - 1
SECOND_NS = 1_000_000_000


@dataclass(frozen=True)
class Limit:
    """`max_value` hits in `seconds`, counted from the first, per value of the variables.

    conditions, variables: sources of CEL expressions, sorted, without repetition, as Limitador
    keeps them. max_value, seconds: 0 … 2^64 - 1; a max_value of 0 denies all, a window of 0 counts
    nothing and refuses only more than max_value at once.
    """

    namespace: str
    max_value: int
    seconds: int
    conditions: tuple[str, ...] = ()
    variables: tuple[str, ...] = ()
    name: str | None = None
    id: str | None = None
    on_error: OnError = OnError.SKIP

    @cached_property
    def quota(self) -> Quota:
        """How each of the limit's counters counts."""
        return Quota(Algorithm.FIXED_WINDOW, self.max_value, self.window_ns)

    @property
    def window_ns(self) -> int:
        """Saturates at about 292 years."""
        return min(self.seconds * SECOND_NS, MAX_WINDOW_NS)

    @property
    def identity(self) -> tuple[str, int, tuple[str, ...], tuple[str, ...]]:
        """What a limit's counters belong to; max_value, name, id and on_error may change."""
        return self.namespace, self.seconds, self.conditions, self.variables

    @cached_property
    def digest(self) -> bytes:
        """The identity in 16 bytes; the same in every process."""
        digest = blake2b(digest_size=DIGEST_SIZE)
        for part in _parts(self):
            data = part.encode()
            digest.update(b"%d:%b" % (len(data), data))
        return digest.digest()


def _parts(limit: Limit) -> Iterable[str]:
    yield limit.namespace
    yield str(limit.seconds)
    yield str(len(limit.conditions))
    yield from limit.conditions
    yield from limit.variables
