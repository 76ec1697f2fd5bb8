"""JSON of peers: numbers are doubles, and what is not JSON is told without quoting it."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authz.json_text import MOST_LEVELS, read_json


def test_a_document_is_read_with_numbers_as_doubles() -> None:
    value = read_json(b'{"n": [1, 2.5, 18446744073709551616], "t": true, "s": "\xc3\xa9"}')
    assert value == {"n": [1.0, 2.5, 2.0**64], "t": True, "s": "é"}
    assert isinstance(value, dict)
    assert all(isinstance(number, float) for number in value["n"])


@pytest.mark.parametrize("text", [b"true", b"[]", b'"text"', b"1e3"])
def test_a_document_may_be_anything(text: bytes) -> None:
    read_json(text)


def test_of_equal_names_the_last_counts() -> None:
    assert read_json(b'{"active": false, "active": true}') == {"active": True}


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"{}{}", id="two documents"),
        pytest.param(b"\xef\xbb\xbf{}", id="byte order mark"),
        pytest.param(b'"\xff"', id="not UTF-8"),
        pytest.param(b'"\\ud800"', id="lone surrogate"),
        pytest.param(b"NaN", id="NaN"),
        pytest.param(b"[1e400]", id="past a double"),
        pytest.param(b"[secret]", id="a word"),
        pytest.param(b"[" * 200_000, id="open brackets"),
        pytest.param(b'{"a":' * 200_000, id="open mappings"),
    ],
)
def test_what_is_no_json_is_refused_without_quoting_it(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"^not valid JSON$"):
        read_json(text)


def test_nesting_is_bounded() -> None:
    read_json(b"[" * MOST_LEVELS + b"]" * MOST_LEVELS)
    with pytest.raises(ValueError, match="deeper than 64"):
        read_json(b"[" * (MOST_LEVELS + 1) + b"]" * (MOST_LEVELS + 1))


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(JSON, st.booleans())
def test_what_json_writes_is_read(value: Any, ascii_only: bool) -> None:
    assert read_json(json.dumps(value, ensure_ascii=ascii_only).encode()) == value


@given(st.binary(max_size=40) | st.text(alphabet='{}[]",:\\u0123eE+-. ntf', max_size=40))
def test_anything_else_is_refused_in_one_way(text: bytes | str) -> None:
    data = text if isinstance(text, bytes) else text.encode()
    try:
        value = read_json(data)
    except ValueError as error:
        assert str(error) == "not valid JSON"
    else:
        assert json.loads(data, parse_int=float) == value
