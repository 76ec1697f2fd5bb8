"""The same expression over the same data in both lanes."""

import math
from collections.abc import Mapping

from _fastpath.document import NativeDocument
from expressions.cel import SLOTS, Context, Expression
from expressions.errors import EvaluationError

Result = tuple[int, object]
"""(error code or 0, value)."""


def full_lane(expression: Expression, roots: Mapping[str, object]) -> Result:
    try:
        return 0, expression.evaluate(roots)
    except EvaluationError as error:
        return int(error.code), None


def fast_lane(expression: Expression, roots: Mapping[str, object]) -> Result:
    assert expression.native is not None, expression.refusal
    documents = [
        NativeDocument(roots[name]) if name in roots else None for name in SLOTS[expression.context]
    ]
    return expression.native.run(documents)


def same(left: object, right: object) -> bool:
    """Equality that tells 1 from 1.0 and True, 0.0 from -0.0, and knows NaN."""
    if type(left) is not type(right):
        return False
    if isinstance(left, float) and isinstance(right, float):
        if math.isnan(left) or math.isnan(right):
            return math.isnan(left) and math.isnan(right)
        return left == right and math.copysign(1, left) == math.copysign(1, right)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    return left == right


CONTEXTS = {
    "condition": Context.LIMIT_CONDITION,
    "variable": Context.LIMIT_VARIABLE,
    "authorization": Context.AUTHORIZATION,
}
