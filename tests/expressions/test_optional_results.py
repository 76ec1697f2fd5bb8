"""Optionals left in a result: the binding's own conversion of such a container ends the process."""

import pytest

from expressions.cel import Context, compile_expression
from expressions.errors import EvaluationError


@pytest.mark.parametrize(
    "source",
    [
        "optional.none()",
        '{"a": optional.none()}',
        "[optional.of(1)]",
        '{"a": [optional.of(1)]}',
        "[1].map(x, optional.of(x))",
    ],
)
def test_optional_inside_a_result_is_an_evaluation_error(source: str) -> None:
    expression = compile_expression(source, Context.AUTHORIZATION, strict=True)
    with pytest.raises(EvaluationError):
        expression.evaluate({})
