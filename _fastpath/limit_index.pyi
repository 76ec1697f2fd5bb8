"""Compiled limits: one set per namespace, and the index of namespaces that a plan holds."""

from collections.abc import Mapping, Sequence

from _fastpath.cells import Series
from _fastpath.handler import Unit
from _fastpath.limit_spec import LimitSpec

def limit_set(
    namespace: str, limits: Sequence[LimitSpec], series: Series, *, tree: Unit | None = None
) -> Unit:
    """Compile the limits of one namespace, and its descriptor tree where it has one.

    Each limit is filed under the rarest of its equality tests; a request looks only at the limits
    filed under its own entries, and at those without any test. Registers the series of the
    namespace (see rls.pyi). Raises ValueError for a digest that is not 16 bytes or occurs twice,
    numbers out of range, or a unit that is no NativeProgram.
    """

def limit_index(changes: Mapping[str, Unit | None], previous: Unit | None = None) -> Unit:
    """The index of `previous` with `changes` applied: a limit set per namespace, None removes.

    Shares everything unchanged with `previous`, so the cost is that of the changes plus a constant.
    Raises ValueError for a unit of another kind.
    """

def candidates(index: Unit, request: bytes) -> list[bytes]:
    """Digests of the limits that the index looks at for an encoded RateLimitRequest.

    The order is arbitrary. For `explain` and tests. Raises `errors.WireError`.
    """
