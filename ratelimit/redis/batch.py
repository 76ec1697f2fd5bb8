"""What the engine takes from whoever gathers decisions: batches of groups, ready to be sent."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol


class Group(NamedTuple):
    """Decisions that one script call takes.

    tag: hash tag of all keys; b"" where tags are not kept apart. body: RESP bulk strings of the
    keys, of the time and of the decisions, in the order of `decide.lua`.
    """

    tag: bytes
    numkeys: int
    decisions: int
    body: bytes


class Batch(Protocol):
    """Every group is settled or failed exactly once."""

    @property
    def groups(self) -> Sequence[Group]: ...

    def settle(self, group: int, reply: bytes) -> None:
        """Hand the reply to the decisions of this group.

        Raises ValueError for a reply that is none; the decisions have then been failed.
        """

    def fail(self, group: int, reason: str) -> None:
        """Let each decision of this group do what its limits do without Redis."""


class Batches(Protocol):
    """Gathers decisions; bounded, so what does not fit is refused there."""

    def fileno(self) -> int:
        """An eventfd, readable when something came to wait. Whoever listens may read it."""

    def take(self, most: int) -> Batch | None:
        """Up to this many decisions that wait, None when none does."""
