"""Values as a turn through JSON leaves them."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from _fastpath.json_form import MAX_LEVELS, json_form_of


@pytest.mark.parametrize(
    ("value", "form"),
    [
        (None, None),
        (True, True),
        ("é", "é"),
        (5, 5.0),
        (2**53 - 1, 2.0**53 - 1),
        (2**53, "9007199254740992"),
        (-(2**53), "-9007199254740992"),
        (2**64 - 1, "18446744073709551615"),
        (1.5, 1.5),
        (b"\xff\x00", "/wA="),
        ([1, [b"a"]], [1.0, ["YQ=="]]),
        ({"b": 1, "a": 2}, {"a": 2.0, "b": 1.0}),
        ({2: "x", 10: "y"}, {"10": "y", "2": "x"}),
        (datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "2026-01-02T03:04:05Z"),
        (datetime(2026, 1, 2, 3, 4, 5, 500_000, tzinfo=UTC), "2026-01-02T03:04:05.5Z"),
        (
            datetime(2026, 1, 2, 3, tzinfo=timezone(timedelta(hours=2))),
            "2026-01-02T01:00:00Z",
        ),
        ([timedelta(seconds=3, microseconds=1)], ["3.000001s"]),
        (timedelta(seconds=-1.5), "-1.5s"),
    ],
)
def test_form(value: Any, form: Any) -> None:
    assert repr(json_form_of(value)) == repr(form)


@pytest.mark.parametrize("value", [float("nan"), [float("inf")], {"a": object()}, {None: 1}])
def test_value_without_json_form_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=r"value|key|form"):
        json_form_of(value)


def test_nesting_is_bounded() -> None:
    value: Any = "x"
    for _ in range(MAX_LEVELS):
        value = {"a": value}
    assert json_form_of(value) == value
    with pytest.raises(ValueError, match="JSON form"):
        json_form_of([value])
