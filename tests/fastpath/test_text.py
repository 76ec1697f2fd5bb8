"""The texts of values: messages, JSON and counter keys."""

import json
import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from _fastpath.document import Uint
from _fastpath.text import json_of_value, key_of_value, text_of_value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a\0b", "a\0b"),
        ("", ""),
        (None, ""),
        (True, "true"),
        (False, "false"),
        (123, "123"),
        (-(2**63), "-9223372036854775808"),
        (2**64 - 1, "18446744073709551615"),
        (1.0, "1"),
        (-0.0, "-0"),
        (0.1, "0.1"),
        (123456.5, "123456.5"),
        (1e21, "1000000000000000000000"),
        (1e-7, "0.0000001"),
        (b"", ""),
        (b"a", "YQ=="),
        (b"ab", "YWI="),
        (b"\xff\xfe\xfd", "//79"),
        ([], "[]"),
        ({}, "{}"),
        ({"b": 1.0, "a": [None, "<&>"]}, '{"a":[null,"\\u003c\\u0026\\u003e"],"b":1}'),
    ],
)
def test_text_of_value(value: object, text: str) -> None:
    assert text_of_value(value) == text


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, [math.nan], {"a": math.inf}])
def test_number_that_json_has_not_has_no_text(value: object) -> None:
    with pytest.raises(ValueError, match="no such text"):
        text_of_value(value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1e21, "1e+21"),
        (1e20, "100000000000000000000"),
        (1e-6, "0.000001"),
        (1e-7, "1e-7"),
        (-1.5e-10, "-1.5e-10"),
        (1.7976931348623157e308, "1.7976931348623157e+308"),
        (5e-324, "5e-324"),
        (0.0, "0"),
        (2**53 - 1, "9007199254740991"),
        (2**53, '"9007199254740992"'),
        (-(2**53), '"-9007199254740992"'),
        (Uint(2**63), '"9223372036854775808"'),
        (b"a", '"YQ=="'),
        ('\x00\x1f\b\f\n\r\t"\\\x7f', '"\\u0000\\u001f\\b\\f\\n\\r\\t\\"\\\\\x7f"'),
        ("<>&\u2028\u2029é", '"<>&\u2028\u2029é"'),
        ({2: "b", True: "a", "c": 1}, '{"2":"b","c":1,"true":"a"}'),
        ({"é": 1, "z": 2, "": 3}, '{"":3,"z":2,"é":1}'),
    ],
)
def test_json_of_value(value: object, text: str) -> None:
    assert json_of_value(value) == text


def test_go_escapes_angle_brackets_ampersand_and_line_separators() -> None:
    escaped = '"\\u003c\\u003e\\u0026\\u2028\\u2029\u2030"'
    assert json_of_value("<>&\u2028\u2029\u2030", go_escapes=True) == escaped


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a", "a"),
        (1, "1"),
        (1.0, "1"),
        (1.5, "1.5"),
        (1e300, "1" + "0" * 300),
        (math.nan, "NaN"),
        (-math.inf, "-inf"),
        (True, "true"),
        (None, "null"),
    ],
)
def test_counter_key_of_value(value: object, text: str) -> None:
    assert key_of_value(value) == text


@pytest.mark.parametrize("value", [[], {}, b"a"])
def test_value_without_counter_key_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="no such text"):
        key_of_value(value)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(1 - 2**53, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner),
    max_leaves=20,
)


@given(JSON, st.booleans())
@example({"a" * 300: ["b" * 5000]}, True)
def test_json_reads_back(value: object, go_escapes: bool) -> None:
    text = json_of_value(value, go_escapes=go_escapes)
    assert json.loads(text, parse_int=float) == value


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_doubles_read_back_without_exponent(number: float) -> None:
    text = key_of_value(number)
    assert "e" not in text
    assert float(text) == number
    assert text_of_value(number) == text
