"""Limits whose conditions and variables run as the fast lane's native programs.

They give the same values as cel-cpp in a quarter of the time; `tests/expressions` and the tests of
both lanes hold that. What has no native program, and a cost, stays with cel-cpp.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace

from _fastpath.document import NativeDocument
from expressions.cel import SLOTS, Expression
from expressions.errors import ErrorCode, EvaluationError
from ratelimit.compiled_limit import CompiledLimit


class _Documents:
    """Keeps the native copy of the latest descriptors, which all limits of a request read."""

    def __init__(self) -> None:
        self._latest: tuple[object, NativeDocument] | None = None

    def of(self, name: str, value: object) -> NativeDocument:
        if name != "descriptors":
            return NativeDocument(value)
        if self._latest is None or self._latest[0] is not value:
            self._latest = value, NativeDocument(value)
        return self._latest[1]


@dataclass(frozen=True)
class _NativeExpression(Expression):
    documents: _Documents

    def evaluate(self, roots: Mapping[str, object]) -> object:
        if self.native is None:
            return super().evaluate(roots)
        try:
            arguments = [
                self.documents.of(name, roots[name]) if name in self.roots else None
                for name in SLOTS[self.context]
            ]
        except ValueError:  # a document's bounds; cel-cpp has others
            return super().evaluate(roots)
        code, value = self.native.run(arguments)
        if code:
            raise EvaluationError(ErrorCode(code), self.source)
        return value


def natively(limits: Iterable[CompiledLimit]) -> list[CompiledLimit]:
    """The same limits, for one thread."""
    documents = _Documents()

    def native(expression: Expression) -> Expression:
        values = {field.name: getattr(expression, field.name) for field in fields(expression)}
        return _NativeExpression(**values, documents=documents)

    return [
        replace(
            limit,
            conditions=tuple(map(native, limit.conditions)),
            variables=tuple(map(native, limit.variables)),
        )
        for limit in limits
    ]
