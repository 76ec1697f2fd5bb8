"""What an index may rely on: equality tests that hold whenever a condition is true."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from expressions.cel import Context, compile_expression
from expressions.errors import EvaluationError, ExpressionCheckError, ExpressionSyntaxError


def equalities(source: str) -> tuple[tuple[int, str, str], ...]:
    return compile_expression(source, Context.LIMIT_CONDITION, strict=False).equalities


@pytest.mark.parametrize(
    ("source", "tests"),
    [
        ("descriptors[0].k == 'v'", ((0, "k", "v"),)),
        ("descriptors[0]['a.b'] == 'v'", ((0, "a.b", "v"),)),
        ("'v' == descriptors[3].k", ((3, "k", "v"),)),
        ("descriptors[0].k == 'é\\u0000'", ((0, "k", "é\0"),)),
        ("descriptors[0].a == '1' && descriptors[1].b == '2'", ((0, "a", "1"), (1, "b", "2"))),
        ("(true && descriptors[0].a == '1') && limit.name == 'x'", ((0, "a", "1"),)),
        ("descriptors[0].a == '1' || true", ()),
        ("!(descriptors[0].a == '1')", ()),
        ("descriptors[0].a != '1'", ()),
        ("descriptors[0].a == descriptors[0].b", ()),
        ("descriptors[int('0')].a == '1'", ()),
        ("descriptors[-1].a == '1'", ()),
        ("descriptors[0].a == 1", ()),
        ("has(descriptors[0].a) == 'true'", ()),
        ("true ? descriptors[0].a == '1' : false", ()),
        ("descriptors.all(descriptors, descriptors[0].a == '1')", ()),
    ],
)
def test_equalities_of_a_condition(source: str, tests: tuple[tuple[int, str, str], ...]) -> None:
    assert equalities(source) == tests


ATOMS = st.sampled_from(
    [
        "descriptors[0].a == 'x'",
        "'y' == descriptors[0].a",
        "descriptors[1]['b'] == 'x'",
        "descriptors[0].b != 'x'",
        "int(descriptors[0].a) > 0",
        "true",
    ]
)
CONDITIONS = st.recursive(
    ATOMS,
    lambda inner: (
        st.tuples(inner, st.sampled_from(["&&", "||"]), inner).map(lambda t: f"({' '.join(t)})")
        | inner.map(lambda t: f"!({t})")
    ),
    max_leaves=6,
)
DESCRIPTORS = st.lists(
    st.dictionaries(st.sampled_from("ab"), st.sampled_from(["x", "y", "1"])), max_size=2
)


@given(CONDITIONS, DESCRIPTORS)
def test_true_condition_passes_all_its_equalities(
    source: str, descriptors: list[dict[str, str]]
) -> None:
    expression = compile_expression(source, Context.LIMIT_CONDITION, strict=True)
    holds = all(
        index < len(descriptors) and descriptors[index].get(key) == value
        for index, key, value in expression.equalities
    )
    try:
        result = expression.evaluate({"descriptors": descriptors})
    except EvaluationError:
        return
    assert result is False or holds
    if expression.exact:
        assert result is holds


def test_unchecked_expression_carries_a_warning() -> None:
    expression = compile_expression("zz == 'x'", Context.LIMIT_CONDITION, strict=False)
    assert expression.warning is not None
    assert "undeclared reference" in expression.warning
    assert expression.roots == {"zz"}


def test_checked_expression_is_refused_where_strict() -> None:
    with pytest.raises(ExpressionCheckError) as caught:
        compile_expression("1 +\n zz", Context.LIMIT_CONDITION, strict=True)
    assert (caught.value.line, caught.value.column) == (2, 2)


def test_text_that_is_no_cel_is_refused_with_its_place() -> None:
    with pytest.raises(ExpressionSyntaxError) as caught:
        compile_expression("descriptors[0].a == ", Context.LIMIT_CONDITION, strict=False)
    assert caught.value.line == 1
    assert caught.value.column > 1


@pytest.mark.parametrize("context", [Context.LIMIT_CONDITION, Context.AUTHORIZATION])
def test_lone_surrogate_in_an_expression_is_refused(context: Context) -> None:
    with pytest.raises(ExpressionSyntaxError):
        compile_expression("'\ud800'", context, strict=False)


def test_optional_syntax_is_for_authorization_alone() -> None:
    compile_expression("auth.?a.orValue(1)", Context.AUTHORIZATION, strict=True)
    with pytest.raises(ExpressionSyntaxError):
        compile_expression("descriptors[0].?a.orValue('')", Context.LIMIT_CONDITION, strict=False)


def test_metric_label_does_not_see_a_limit() -> None:
    expression = compile_expression("limit.name", Context.METRIC_LABEL, strict=False)
    assert expression.native is not None
    assert expression.native.run([]) == (9, None)
    with pytest.raises(EvaluationError) as caught:
        expression.evaluate({"descriptors": [], "limit": {"name": "x"}})
    assert caught.value.code == 9
