"""Selectors and patterns, in both lanes."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from _fastpath.document import NativeDocument
from expressions.errors import EvaluationError, PatternError, UnsupportedSelector
from expressions.pattern import OPERATORS, compile_pattern
from expressions.selector import ROOT_SLOTS, compile_selector
from tests.expressions.lanes import same

DOCUMENT = {
    "request": {
        "method": "GET",
        "size": 12.0,
        "big": 1e21,
        "small": 1e-7,
        "headers": {"a.b": "dotted", "x": "<é>", "empty": "", "a|b": "piped"},
        "list": ["a", 1.0, True, None, ["n"], {"z": 1.0, "y": "<"}],
    },
    "auth": {"identity": {"groups": ["admin", "dev"], "admin": True, "none": None}},
}


def native(program: object, document: dict[str, object]) -> tuple[int, object]:
    roots = [
        NativeDocument(document[name]) if name in document else None
        for name, _ in sorted(ROOT_SLOTS.items(), key=lambda item: item[1])
    ]
    return program.run(roots)  # type: ignore[attr-defined, no-any-return]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("request.method", "GET"),
        ("request.headers.a\\.b", "dotted"),
        ("request.headers.a\\|b", "piped"),
        ("request.list.0", "a"),
        ("request.list.01", 1.0),
        ("request.list.5.z", 1.0),
        ("request.list.6", None),
        ("request.list.-1", None),
        ("request.list.x", None),
        ("request.list.99999999999", None),
        ("request.method.x", None),
        ("request.missing.x", None),
        ("nothing", None),
        ("context.request", None),
        ("auth.identity.none", None),
        ("auth.identity", DOCUMENT["auth"]["identity"]),
    ],
)
def test_selector_finds_value_in_both_lanes(path: str, value: object) -> None:
    selector = compile_selector(path)
    assert same(selector.evaluate(DOCUMENT), value)
    code, result = native(selector.native, DOCUMENT)
    assert code == 0
    assert same(result, value)


@pytest.mark.parametrize(
    ("path", "construct"),
    [
        ("[auth,request", "multipath"),
        ("!truth", "literal"),
        ("auth.[identity]x", "multipath"),
        ("auth.groups.#(x==", "query without an end"),
        ("auth.groups.#(x!y)", "no operator"),
        ("auth." + "#.a." * 70, "nested deeper"),
        ("", "empty part"),
        ("auth..x", "empty part"),
        ("auth\\", "backslash"),
    ],
)
def test_selector_that_is_not_known_is_refused(path: str, construct: str) -> None:
    with pytest.raises(UnsupportedSelector, match=construct):
        compile_selector(path)


@pytest.mark.parametrize(
    ("path", "operator", "value", "passes"),
    [
        ("request.method", "eq", "GET", True),
        ("request.method", "neq", "GET", False),
        ("request.missing", "eq", "", True),
        ("request.missing", "neq", "", False),
        ("auth.identity.none", "eq", "", True),
        ("auth.identity.admin", "eq", "true", True),
        ("request.size", "eq", "12", True),
        ("request.big", "eq", "1000000000000000000000", True),
        ("request.small", "eq", "0.0000001", True),
        ("request.list.5", "eq", '{"y":"\\u003c","z":1}', True),
        ("request.headers.x", "eq", "<é>", True),
        ("auth.identity.groups", "incl", "dev", True),
        ("auth.identity.groups", "incl", "de", False),
        ("auth.identity.groups", "excl", "ops", True),
        ("request.list", "incl", "1", True),
        ("request.list", "incl", "", True),
        ("request.list", "incl", '["n"]', True),
        ("request.method", "incl", "GET", True),
        ("request.missing", "incl", "", False),
        ("request.missing", "excl", "", True),
        ("auth.identity.none", "incl", "", False),
        ("request.headers.empty", "incl", "", True),
        ("request.method", "matches", "E", True),
        ("request.method", "matches", "^E", False),
        ("request.missing", "matches", "^$", True),
        ("request.headers.x", "matches", "^<.>$", True),
    ],
)
def test_pattern_decides_alike_in_both_lanes(
    path: str, operator: str, value: str, passes: bool
) -> None:
    pattern = compile_pattern(path, operator, value)
    assert pattern.evaluate(DOCUMENT) is passes
    assert native(pattern.native, DOCUMENT) == (0, passes)


@pytest.mark.parametrize(
    ("operator", "value"), [("is", "x"), ("", "x"), ("matches", "("), ("eq", "\ud800")]
)
def test_pattern_without_meaning_is_refused(operator: str, value: str) -> None:
    with pytest.raises(PatternError):
        compile_pattern("request.method", operator, value)


SCALARS = (
    st.none()
    | st.booleans()
    | st.floats()
    | st.text(st.sampled_from('aé\0<&\u2028"\\.'), max_size=4)
    | st.sampled_from([0.0, -0.0, 1e21, 1e-7, 123456789.5, 5e-324, 1.7976931348623157e308])
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(st.sampled_from("xé\0"), max_size=2), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(VALUES, st.sampled_from(OPERATORS[:4]), st.data())
@example([float("nan")], "incl", None)
@example(float("inf"), "eq", None)
def test_patterns_agree_over_generated_values(
    value: object, operator: str, data: st.DataObject | None
) -> None:
    operand = data.draw(st.sampled_from(["", "a", "true", "0", "1e21", "[]"])) if data else "a"
    pattern = compile_pattern("auth.x", operator, operand)
    document: dict[str, object] = {"auth": {"x": value}}
    try:
        expected: tuple[int, object] = (0, pattern.evaluate(document))
    except EvaluationError as error:
        expected = (int(error.code), None)
    assert native(pattern.native, document) == expected
