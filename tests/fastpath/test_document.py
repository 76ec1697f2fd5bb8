"""Native documents keep Python data as it is and refuse what they cannot hold."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from _fastpath.document import NativeDocument, Uint

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.text(st.characters(codec="utf-8"))
    | st.binary()
)
KEYS = st.text(st.characters(codec="utf-8"), max_size=3)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner), max_leaves=20
)


@given(VALUES)
def test_document_returns_equal_value(value: object) -> None:
    assert NativeDocument(value).to_python() == value


@given(st.dictionaries(KEYS, st.none(), min_size=1))
def test_map_keys_are_sorted_by_bytes(value: dict[str, None]) -> None:
    copy = NativeDocument(value).to_python()
    assert isinstance(copy, dict)
    assert list(copy) == sorted(value, key=str.encode)


def test_numbers_as_double_turns_integers_but_not_keys() -> None:
    copy = NativeDocument([1, {"a": [2, True], "b": 2**70}], numbers_as_double=True).to_python()
    assert copy == [1.0, {"a": [2.0, True], "b": float(2**70)}]
    assert type(copy[0]) is float  # type: ignore[index]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (2**64, "out of range"),
        (-(2**63) - 1, "out of range"),
        (Uint(-1), "out of range"),
        ("\ud800", "surrogates"),
        ({"\ud800": 1}, "surrogates"),
        ({1.5: 1}, "a map key cannot be float"),
        ({None: 1}, "a map key cannot be NoneType"),
        ((1, 2), "tuple"),
        (object(), "object"),
        ([{"a": {1, 2}}], "set"),
    ],
)
def test_value_beyond_a_document_is_refused(value: object, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        NativeDocument(value)


def test_integer_too_large_for_a_double_is_refused() -> None:
    with pytest.raises(ValueError, match="too large"):
        NativeDocument(10**400, numbers_as_double=True)


@pytest.mark.parametrize(("levels", "fits"), [(127, True), (129, False), (100_000, False)])
def test_depth_is_bounded(levels: int, fits: bool) -> None:
    value: object = None
    for _ in range(levels):
        value = [value]
    if fits:
        assert NativeDocument(value).to_python() == value
        return
    with pytest.raises(ValueError, match="deeper"):
        NativeDocument(value)


def test_value_that_holds_itself_is_refused() -> None:
    value: list[object] = []
    value.append(value)
    with pytest.raises(ValueError, match="deeper"):
        NativeDocument(value)


def test_document_cannot_be_built_twice() -> None:
    document = NativeDocument(1)
    with pytest.raises(ValueError, match="once"):
        document.__init__(2)  # type: ignore[misc]
    assert document.to_python() == 1
