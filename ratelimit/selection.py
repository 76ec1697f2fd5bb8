"""Which limits apply to a request, and with which values of their variables.

The full lane's half of the rules that `_fastpath/rls.pyi` states for both lanes; it is the
reference. Expressions are evaluated on one thread, the event loop's.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from _fastpath.limit_spec import OnError
from _fastpath.text import key_of_value
from expressions.cel import Expression
from expressions.errors import ErrorCode, EvaluationError
from ratelimit.compiled_limit import CompiledLimit

Entries = Mapping[str, str]

_ABSENT = frozenset({ErrorCode.NO_SUCH_KEY, ErrorCode.INDEX_OUT_OF_RANGE})


@dataclass(frozen=True, slots=True)
class Selected:
    limit: CompiledLimit
    values: tuple[str, ...]


@dataclass(slots=True)
class Selection:
    """applying: limits to be charged. refusing: limits that failed and refuse by on_error.
    failed: limits of which an expression failed, whatever came of it."""

    applying: list[Selected] = field(default_factory=list)
    refusing: list[CompiledLimit] = field(default_factory=list)
    failed: list[CompiledLimit] = field(default_factory=list)


class _Absent(Exception):
    """A missing map key or list index ends the limit, whatever its on_error says."""


class _Failed(Exception):
    """An expression failed, or its value is of a kind that has no use there."""


def select(limits: Iterable[CompiledLimit], descriptors: Sequence[Entries]) -> Selection:
    """Try each limit; equality tests first, then conditions and variables in their order."""
    selection = Selection()
    for limit in limits:
        if not limit.never_applies and _tests_hold(limit, descriptors):
            _try(limit, descriptors, selection)
    return selection


def _tests_hold(limit: CompiledLimit, descriptors: Sequence[Entries]) -> bool:
    return all(
        index < len(descriptors) and descriptors[index].get(key) == value
        for index, key, value in limit.equalities
    )


def _try(limit: CompiledLimit, descriptors: Sequence[Entries], selection: Selection) -> None:
    roots: dict[str, object] = {"descriptors": descriptors}
    condition_roots = {**roots, "limit": {"name": limit.limit.name, "id": limit.limit.id}}
    policy = limit.limit.on_error
    failed = False
    values = []
    try:
        for condition in limit.evaluated:
            try:
                if not _truth(condition, condition_roots):
                    break
            except _Failed:
                failed = True
                if policy is not OnError.APPLY:
                    break
        else:
            for variable in limit.variables:
                try:
                    values.append(_key(variable, roots))
                except _Failed:
                    failed = True
                    if policy is not OnError.APPLY:
                        break
                    values.append("")
            else:
                selection.applying.append(Selected(limit, tuple(values)))
    except _Absent:
        pass
    if failed:
        selection.failed.append(limit)
        if policy is OnError.REFUSE:
            selection.refusing.append(limit)


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


def _evaluate(expression: Expression, roots: Mapping[str, object]) -> object:
    try:
        return expression.evaluate(roots)
    except EvaluationError as error:
        if error.code in _ABSENT:
            raise _Absent from error
        raise _Failed from error
