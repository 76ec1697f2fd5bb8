from collections.abc import Sequence

from _fastpath.document import NativeDocument
from _fastpath.handler import Unit

MAX_DEPTH: int
"""Levels of an expression tree."""
MAX_NODES: int
MAX_LOCALS: int
"""Variables of loops that are open at one place, accumulators included."""
ITERATION_BUDGET: int
"""An evaluation may do fewer iterations than this, over all its loops."""

class NativeProgram(Unit):
    """A compiled expression that threads evaluate without the interpreter lock."""

    def run(self, roots: Sequence[NativeDocument | None]) -> tuple[int, object]:
        """Evaluate over one document per variable slot, None for a variable without value.

        Returns (0, value) or (ErrorCode, None). For tests and for values that do not change.
        """

class ProgramBuilder:
    """Collects nodes, children first. Every method raises ValueError for what does not fit."""

    def constant(self, value: object) -> int:
        """A literal; see NativeDocument for what it may hold."""

    def error(self, code: int) -> int:
        """A literal error."""

    def absent(self) -> int:
        """An optional without value."""

    def node(
        self,
        op: str,
        *children: int,
        slot: int = 0,
        text: str = "",
        item: int = 0,
        pattern: str | None = None,
    ) -> int:
        """An operation of `OPERATIONS` over earlier nodes; returns its number.

        slot: the variable of `root`, `local`, `append` and `fold`; a fold's accumulator has the
        slot after it. text: the field of selections and the operand of text tests. item: the
        32-bit index of `item_field`, which is `root[item].text`. pattern: the regular expression
        of `matches` and `text_matches`; ValueError when RE2 refuses it.
        """

    def finish(self) -> NativeProgram:
        """The program whose result is the last node. The builder is empty afterwards."""

OPERATIONS: dict[str, int]
"""Number of children by name of operation; -1 where it varies."""
