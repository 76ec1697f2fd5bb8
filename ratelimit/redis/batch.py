"""What the engine takes from whoever gathers decisions: batches of groups, ready to be sent.

`_fastpath.store_batch` is what gathers them in a server.
"""

from collections.abc import Sequence
from typing import Protocol

from _fastpath.store_batch import Group


class Batch(Protocol):
    """Every group is settled or failed exactly once."""

    @property
    def groups(self) -> Sequence[Group]: ...

    def settle(self, index: int, reply: bytes) -> int:
        """Hand the reply to the decisions of this group; returns how many of them it says failed.

        Raises ValueError for a reply that is none; the decisions have then been failed.
        """

    def fail(self, index: int, reason: str) -> None:
        """Let each decision of this group do what its limits do without Redis."""


class Batches(Protocol):
    """Gathers decisions; bounded, so what does not fit is refused there."""

    def fileno(self) -> int:
        """An eventfd, readable when something came to wait. Whoever listens may read it."""

    def take(self, most: int) -> Batch | None:
        """Up to this many decisions that wait, None when none does."""
