"""Values as rego-cpp prints them."""

import pytest

from authz.opa.printed_term import read_term


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('["a", {"k": [1, -2.5]}]', ["a", {"k": [1, -2.5]}]),
        ('{1, "x"}', [1, "x"]),
        ("{1}", [1]),
        ("set()", []),
        ("[{}, [], null, true, false]", [{}, [], None, True, False]),
        ('{"a": {"b"}, "c": set()}', {"a": ["b"], "c": []}),
    ],
)
def test_terms(text: str, value: object) -> None:
    assert read_term(text) == value


@pytest.mark.parametrize(
    "text",
    ["", "[", "[1 2]", "{1: }", "{1 2}", "x", "1 2", "-x", '{"a": 1, 2}', "[" * 70 + "]" * 70],
)
def test_what_is_no_term(text: str) -> None:
    with pytest.raises(ValueError):
        read_term(text)
