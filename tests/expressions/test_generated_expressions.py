"""Generated expressions over hostile data give the same in both lanes."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from expressions.cel import Context, compile_expression
from expressions.errors import ExpressionSyntaxError
from tests.expressions.lanes import fast_lane, full_lane, same

Source = st.SearchStrategy[str]

TEXTS = ["", "a", "GET", "a\0b", "é", "😀", "12", "-1", " 7 ", "1e3", "true", "x" * 40]
INTEGERS = [0, 1, -1, 2, 7, 2**31, 2**53, 2**53 + 1, 2**63 - 1, -(2**63)]
UNSIGNED = [0, 1, 2, 2**53, 2**63, 2**64 - 1]
DOUBLES = ["0.0", "-0.0", "1.0", "1.5", "-1.5", "1e100", "9007199254740992.0", "1e-7", "123456.5"]
PATTERNS = ["a", "^GET$", "[0-9]+", "", "(?i)get", "^.$", "\\\\x00"]
FREE = [
    "request.any",
    "auth.any",
    "source",
    "metadata.x.y",
    "request.text.b",
    "request['a\\u0000b']",
]


def quoted(text: str) -> str:
    return "'" + text.replace("\0", "\\u0000") + "'"


def form(template: str, *parts: Source) -> Source:
    return st.tuples(*parts).map(lambda values: template.format(*values))


def forms(parts: Source, *templates: str) -> Source:
    return st.sampled_from(templates).flatmap(
        lambda template: form(template, *[parts] * template.count("{}"))
    )


def choice(options: list[str]) -> Source:
    return st.sampled_from(options)


# Each kind is mostly made of operands of the right kind, sometimes of any other.
anything: Source = st.deferred(lambda: texts | numbers | truths | lists | maps | choice(FREE))
texts: Source = st.deferred(
    lambda: (
        choice([quoted(text) for text in TEXTS])
        | choice(["request.text", "request.method", "auth.list[0]", "v"])
        | forms(texts, "({} + {})", "{}.lowerAscii()", "{}.upperAscii()", "dyn({})")
        | forms(texts, "{}.trim()", "{}.replace({}, {})", "({} + ' a\u2003')")
        | form("{}.{}({})", texts, choice(["substring", "charAt"]), numbers)
        | form("{}.substring({}, {})", texts, numbers, numbers)
        | form("{}.replace({}, {}, {})", texts, texts, texts, numbers)
        | forms(numbers, "string({})")
        | forms(truths, "string({})")
        | form("({} ? {} : {})", truths, texts, texts)
        | form("{}.?a.orValue({})", maps, texts)
        | form("{}[?{}].orValue({})", lists | maps, texts | numbers, texts)
        | choice(FREE)
    )
)
numbers: Source = st.deferred(
    lambda: (
        choice([f"({number})" for number in INTEGERS])
        | choice([f"{number}u" for number in UNSIGNED])
        | choice([f"({number})" for number in DOUBLES])
        | choice(["request.number", "auth.number"])
        | forms(numbers, "({} + {})", "({} - {})", "({} * {})", "({} / {})", "({} % {})", "(-{})")
        | forms(numbers, "int({})", "uint({})", "double({})")
        | forms(texts, "int({})", "uint({})", "double({})", "size({})")
        | forms(lists | maps, "{}.size()")
        | forms(texts, "{}.indexOf({})")
        | form("{}[{}]", lists, numbers)
    )
)
truths: Source = st.deferred(
    lambda: (
        choice(["true", "false", "auth.truth"])
        | forms(truths, "({} && {})", "({} || {})", "!{}", "({} == {})")
        | forms(numbers, "({} == {})", "({} < {})", "({} <= {})", "({} > {})", "({} >= {})")
        | forms(texts, "({} == {})", "({} != {})", "({} < {})", "bool({})")
        | forms(texts, "{}.startsWith({})", "{}.endsWith({})", "{}.contains({})")
        | form("{}.matches('{}')", texts, choice(PATTERNS))
        | form("({} in {})", anything, lists | maps)
        | forms(anything, "({} == {})", "({} < {})", "has({}.a)", "{}.?a.b.hasValue()")
        | form("{}.{}(v, {})", lists | maps, choice(["exists", "all", "exists_one"]), truths)
    )
)
lists: Source = st.deferred(
    lambda: (
        choice(["[]", "auth.list", "auth.numbers", "['a', 'GET']", "[1, 2u, 1.5]"])
        | forms(anything, "[{}, {}]", "[{}]", "[?{}.?a, {}]")
        | forms(lists, "({} + {})")
        | forms(texts, "{}.split({})")
        | form("{}.split({}, {})", texts, texts, numbers)
        | form("{}.{}(v, {})", lists, choice(["filter"]), truths)
        | form("{}.map(v, {})", lists, anything)
        | form("{}.map(v, {}, {})", lists, truths, anything)
    )
)
maps: Source = st.deferred(
    lambda: choice(["{}", "request", "request.map"]) | forms(anything, "{{'a': {}, 'b': {}}}")
)

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.floats(),
    st.sampled_from(TEXTS),
    st.sampled_from(INTEGERS),
    st.integers(2**63, 2**64 - 1),
    st.text(st.characters(codec="utf-8"), max_size=5),
    st.binary(max_size=3),
)
# Not more than one key where any value may stand: over larger maps cel-cpp's order is random.
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["a", "b", "é"]), inner, max_size=1)
    ),
    max_leaves=5,
)
ROOTS = st.fixed_dictionaries(
    {
        "request": st.fixed_dictionaries(
            {"method": st.sampled_from(["GET", "POST"]), "text": st.sampled_from(TEXTS)},
            optional={
                "number": st.sampled_from([0.0, 1.0, -1.0, 1e20]),
                "any": VALUES,
                "map": st.dictionaries(st.sampled_from(["a", "b"]), SCALARS, max_size=1),
            },
        ),
        "auth": st.fixed_dictionaries(
            {"number": st.sampled_from(INTEGERS), "truth": st.booleans()},
            optional={
                "list": st.lists(st.sampled_from(TEXTS), max_size=3),
                "numbers": st.lists(st.sampled_from([*INTEGERS, 1.5]), max_size=3),
                "any": VALUES,
            },
        ),
    },
    optional={"source": VALUES},
)


def agree(source: str, roots: dict[str, object]) -> None:
    try:
        expression = compile_expression(source, Context.AUTHORIZATION, strict=False)
    except ExpressionSyntaxError:
        return
    if expression.native is None:
        return
    full, fast = full_lane(expression, roots), fast_lane(expression, roots)
    assert full[0] == fast[0], (full, fast)
    assert same(full[1], fast[1]), (full, fast)


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(anything, ROOTS)
def test_generated_expression_agrees_in_both_lanes(source: str, roots: dict[str, object]) -> None:
    agree(source, roots)


@pytest.mark.slow
@settings(max_examples=5000, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(anything, ROOTS)
def test_many_generated_expressions_agree_in_both_lanes(
    source: str, roots: dict[str, object]
) -> None:
    agree(source, roots)
