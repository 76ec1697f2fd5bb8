"""Label selectors of flags: what they mean, and that a mistake is told instead of selecting all."""

import pytest

from authz.selector_text import EVERYTHING, parse_selector


def matches(text: str, **labels: str) -> bool:
    return parse_selector(text).matches(labels)


@pytest.mark.parametrize("text", ["", "  "])
def test_empty_text_selects_everything(text: str) -> None:
    assert parse_selector(text) == EVERYTHING
    assert EVERYTHING.matches({})


@pytest.mark.parametrize(
    ("text", "value", "expected"),
    [
        ("k=a", "a", True),
        ("k == a", "a", True),
        ("k=a", "b", False),
        ("k=a", None, False),
        ("k!=a", "a", False),
        ("k!=a", "b", True),
        ("k!=a", None, True),
        ("k in (a, b)", "b", True),
        ("k in(a,b)", "c", False),
        ("k in (a)", "a", True),
        ("k in (a,)", "", True),
        ("k notin (a,b)", "c", True),
        ("k notin (a,b)", "a", False),
        ("k notin (a,b)", None, True),
        ("k", "", True),
        ("k", None, False),
        ("!k", None, True),
        ("! k", "a", False),
        ("k=", "", True),
        ("k=,other=", "", False),
    ],
)
def test_requirement(text: str, value: str | None, expected: bool) -> None:
    labels = {} if value is None else {"k": value}
    assert matches(text, **labels) is expected


def test_all_requirements_must_hold() -> None:
    text = "app=toys, tier in (gold,silver),!legacy"
    assert matches(text, app="toys", tier="gold")
    assert not matches(text, app="toys", tier="gold", legacy="")
    assert not matches(text, app="toys")


def test_keys_may_have_a_prefix() -> None:
    selector = parse_selector("authorino.kuadrant.io/managed-by=authorino")
    assert selector.matches({"authorino.kuadrant.io/managed-by": "authorino"})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("=a", "expected the name of a label, not '='"),
        ("k=a,", "expected the name of a label, not the end"),
        ("k in a", "expected '(', not 'a'"),
        ("k in (a", "expected ')', not the end"),
        ("k=a b", "expected ',', not 'b'"),
        ("k>5", "expected the name of a label, not 'k>5'"),
        ("k=" + "a" * 64, "expected the value of a label"),
        ("a" * 5000, "expected at most 4096 bytes"),
    ],
)
def test_mistake_is_told(text: str, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse_selector(text)
    assert str(caught.value).startswith(message)
