"""Conditions: patterns, CEL predicates and their groups.

A condition is true, false, or fails with EvaluationError; a failure is never taken for true.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from _fastpath.rule_spec import AllOf, AnyOf
from _fastpath.rule_spec import Condition as NativeCondition
from authz.value import Document
from expressions.cel import Expression
from expressions.errors import ErrorCode, EvaluationError
from expressions.pattern import Pattern


@dataclass(frozen=True, slots=True)
class Predicate:
    expression: Expression

    def evaluate(self, document: Document) -> bool:
        result = self.expression.evaluate(document)
        if not isinstance(result, bool):
            raise EvaluationError(ErrorCode.NO_MATCHING_OVERLOAD, "predicate is not a boolean")
        return result


@dataclass(frozen=True, slots=True)
class All:
    """True when every item is; the first that is false or fails decides."""

    items: tuple["Condition", ...]

    def evaluate(self, document: Document) -> bool:
        return all(item.evaluate(document) for item in self.items)


@dataclass(frozen=True, slots=True)
class AnyItem:
    """True when an item is; the first that is true or fails decides."""

    items: tuple["Condition", ...]

    def evaluate(self, document: Document) -> bool:
        return any(item.evaluate(document) for item in self.items)


@dataclass(frozen=True, slots=True)
class PatternTest:
    pattern: Pattern

    def evaluate(self, document: Document) -> bool:
        return self.pattern.evaluate(document)


Condition = Predicate | PatternTest | All | AnyItem


def holds(conditions: Sequence[Condition], document: Document) -> bool:
    """Whether all of a `when` or `patterns` list are true; raises EvaluationError."""
    return all(condition.evaluate(document) for condition in conditions)


def refusals(conditions: Sequence[Condition]) -> Iterator[str]:
    """Why the native lane does not take these conditions."""
    for condition in conditions:
        if isinstance(condition, All | AnyItem):
            yield from refusals(condition.items)
        elif isinstance(condition, Predicate) and condition.expression.native is None:
            yield f"{condition.expression.source!r}: {condition.expression.refusal}"
        elif isinstance(condition, PatternTest) and condition.pattern.refusal is not None:
            yield condition.pattern.refusal


def native(conditions: Sequence[Condition]) -> tuple[NativeCondition, ...]:
    """The native form of conditions without refusals."""
    return tuple(_native(condition) for condition in conditions)


def _native(condition: Condition) -> NativeCondition:
    if isinstance(condition, All):
        return AllOf(native(condition.items))
    if isinstance(condition, AnyItem):
        return AnyOf(native(condition.items))
    program = (
        condition.pattern.native
        if isinstance(condition, PatternTest)
        else condition.expression.native
    )
    if program is None:
        raise ValueError("a refused condition has no native form")
    return program
