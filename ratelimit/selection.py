"""Which limits apply to a request, with which values of their variables and which hits.

The full lane's half of the rules that `_fastpath/rls.pyi` states for both lanes; it is the
reference. Expressions are evaluated on one thread, the event loop's.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from _fastpath.limit_spec import OnError
from _fastpath.text import key_of_value
from expressions.cel import Expression
from expressions.errors import ErrorCode, EvaluationError
from ratelimit.compiled_limit import CompiledLimit

T = TypeVar("T")
Entries = Mapping[str, str]
Hits = Callable[[int], int]
"""Signed hits of the descriptor with this index."""

MOST_GIVEN_BACK = 2**63 - 1

_ABSENT = frozenset({ErrorCode.NO_SUCH_KEY, ErrorCode.INDEX_OUT_OF_RANGE})


@dataclass(frozen=True, slots=True)
class Selected:
    limit: CompiledLimit
    values: tuple[str, ...]
    delta: int


@dataclass(slots=True)
class Selection:
    """applying: limits to be charged. refusing: limits that failed and refuse by on_error, or would
    but for `shadow`. failed: limits of which an expression failed, whatever came of it."""

    applying: list[Selected] = field(default_factory=list)
    refusing: list[CompiledLimit] = field(default_factory=list)
    failed: list[CompiledLimit] = field(default_factory=list)


class _Absent(Exception):
    """A missing map key or list index ends the limit, whatever its on_error says."""


class _Failed(Exception):
    """An expression failed, or its value is of a kind that has no use there."""


def select(
    limits: Iterable[CompiledLimit], descriptors: Sequence[Entries], hits: Hits
) -> Selection:
    """Try each limit; equality tests first, then conditions, variables in their order, the cost."""
    selection = Selection()
    for limit in limits:
        if not limit.never_applies and _tests_hold(limit, descriptors):
            _try(limit, descriptors, hits, selection)
    return selection


def _tests_hold(limit: CompiledLimit, descriptors: Sequence[Entries]) -> bool:
    return all(
        index < len(descriptors) and descriptors[index].get(key) == value
        for index, key, value in limit.equalities
    )


def _try(
    limit: CompiledLimit, descriptors: Sequence[Entries], hits: Hits, selection: Selection
) -> None:
    attempt = _Attempt(limit, descriptors)
    try:
        if attempt.holds():
            values = attempt.values()
            delta = attempt.delta(hits(limit.descriptor))
            selection.applying.append(Selected(limit, values, delta))
    except _Absent:
        pass
    except _Failed:
        if limit.limit.on_error is OnError.REFUSE:
            selection.refusing.append(limit)
    if attempt.failed:
        selection.failed.append(limit)


class _Attempt:
    """Evaluates one limit's expressions; raises _Absent and _Failed where they end the limit."""

    def __init__(self, limit: CompiledLimit, descriptors: Sequence[Entries]) -> None:
        self._limit = limit
        self._roots: dict[str, object] = {
            "descriptors": descriptors,
            "limit": {"name": limit.limit.name, "id": limit.limit.id},
        }
        self.failed = False

    def holds(self) -> bool:
        return all(self._or(True, _truth, condition) for condition in self._limit.evaluated)

    def values(self) -> tuple[str, ...]:
        return tuple([self._or("", _key, variable) for variable in self._limit.variables])

    def delta(self, hits: int) -> int:
        cost = self._limit.cost
        if cost is None:
            return hits
        self._roots["hits"] = min(hits, MOST_GIVEN_BACK)
        return self._or(hits, _count, cost)

    def _or(
        self, instead: T, read: Callable[[Expression, Mapping[str, object]], T], source: Expression
    ) -> T:
        """What `read` makes of the expression, `instead` where a failure counts as that."""
        try:
            return read(source, self._roots)
        except _Failed:
            self.failed = True
            if self._limit.limit.on_error is not OnError.APPLY:
                raise
            return instead


def _truth(condition: Expression, roots: Mapping[str, object]) -> bool:
    value = _evaluate(condition, roots)
    if not isinstance(value, bool):
        raise _Failed
    return value


def _key(variable: Expression, roots: Mapping[str, object]) -> str:
    value = _evaluate(variable, roots)
    if value is not None and not isinstance(value, str | int | float):
        raise _Failed
    try:
        return key_of_value(value)
    except ValueError as error:
        raise _Failed from error


def _count(cost: Expression, roots: Mapping[str, object]) -> int:
    value = _evaluate(cost, roots)
    if not isinstance(value, int) or isinstance(value, bool):
        raise _Failed
    return max(value, -MOST_GIVEN_BACK)


def _evaluate(expression: Expression, roots: Mapping[str, object]) -> object:
    try:
        return expression.evaluate(roots)
    except EvaluationError as error:
        if error.code in _ABSENT:
            raise _Absent from error
        raise _Failed from error
