"""What limitador-server does wrong by its own documentation, done right; both lanes."""

from collections.abc import Sequence

import pytest

from tests.ratelimit.host import LANES, OK, OVER_LIMIT, Host

DENY = "- {{namespace: n, max_value: 0, seconds: 60, conditions: [{}], variables: [{}]}}\n"
Entries = Sequence[dict[str, str]]


@pytest.fixture(params=LANES)
def host(request: pytest.FixtureRequest) -> Host:
    return Host(native=request.param == "native")


def applies(host: Host, descriptors: Entries, condition: str = "", variable: str = "") -> bool:
    """Whether a limit of 0 with this condition or variable refuses the request."""
    quoted = [text and "'" + text.replace("'", "''") + "'" for text in (condition, variable)]
    host.load(DENY.format(*quoted))
    return host.should("n", *descriptors).overall_code == OVER_LIMIT


@pytest.mark.parametrize("condition", ["42", "'x'", "null", "descriptors", "limit.name"])
def test_condition_that_is_no_boolean_does_not_apply(host: Host, condition: str) -> None:
    assert not applies(host, [{"x": "1"}], condition)


@pytest.mark.parametrize(
    ("condition", "value", "expected"),
    [
        ("!!(descriptors[0].a == '1')", "1", True),
        ("!!(descriptors[0].a == '1')", "0", False),
        ("!!!(descriptors[0].a == '1')", "0", True),
        ("--int(descriptors[0].a) == 1", "1", True),
    ],
)
def test_two_signs_cancel_out(host: Host, condition: str, value: str, expected: bool) -> None:
    assert applies(host, [{"a": value}], condition) == expected


@pytest.mark.parametrize(
    "condition",
    [
        "size(descriptors[0].y) > 0",
        "int(descriptors[0].y) > 0",
        "double(descriptors[0].y) > 0.5",
        "string(descriptors[0].y) == '1'",
        "!(size(descriptors[0].y) > 0)",
        "'abc'.contains(descriptors[0].y)",
        "'abc'.startsWith(descriptors[0].y)",
        "max(1, int(descriptors[0].y)) == 1",
    ],
)
def test_function_of_a_missing_key_ends_the_limit(host: Host, condition: str) -> None:
    assert not applies(host, [{"x": "1"}], condition)


@pytest.mark.parametrize("variable", ["int(descriptors[0].y)", "size(descriptors[0].y)"])
def test_variable_over_a_missing_key_ends_the_limit(host: Host, variable: str) -> None:
    assert not applies(host, [{"x": "1"}], variable=variable)
    assert applies(host, [{"y": "1"}], variable=variable)


def test_text_is_in_no_text(host: Host) -> None:
    assert not applies(host, [{"x": "abc"}], "'b' in descriptors[0].x")


@pytest.mark.parametrize("condition", ["descriptors[1].y == '2'", "has(descriptors[1].y)"])
def test_missing_descriptor_ends_the_limit(host: Host, condition: str) -> None:
    assert not applies(host, [{"x": "1"}], condition)
    assert not applies(host, [], condition)
    assert applies(host, [{"x": "1"}, {"y": "2"}], condition)


@pytest.mark.parametrize(
    ("condition", "descriptors", "expected"),
    [
        ("descriptors.exists(d, d.x == '1')", [{"x": "1"}], True),
        ("descriptors.exists(d, d.x == '1')", [{"x": "2"}], False),
        ("descriptors.exists(d, d.x == '1')", [{"y": "1"}, {"x": "1"}], True),
        ("descriptors.all(d, has(d.x))", [{"x": "1"}], True),
        ("descriptors.all(d, has(d.x))", [{"y": "1"}], False),
        ("descriptors.exists_one(d, has(d.x))", [{"x": "1"}], True),
        ("size(descriptors.filter(d, has(d.x))) == 1", [{"x": "1"}], True),
        ("'1' in descriptors.map(d, d.x)", [{"x": "1"}], True),
    ],
)
def test_macros_bind_their_variable(
    host: Host, condition: str, descriptors: Entries, expected: bool
) -> None:
    assert applies(host, descriptors, condition) == expected


@pytest.mark.parametrize(
    "condition",
    [
        "descriptors[0].x > 5",
        "int(descriptors[0].z) > 5",
        "int(descriptors[0].x) / 0 == 1",
        "!descriptors[0].x",
        "descriptors[0].x ? true : false",
        "9223372036854775807 + int(descriptors[0].x) > 0",
        "descriptors[0].x.matches('(')",
        "descriptors[0].x.nothing()",
        "nothing(descriptors[0].x)",
        "descriptors[0].x + 1 == '11'",
        "int(descriptors[0].x) == 1 && uint('-1') == 1u",
    ],
)
def test_condition_that_fails_does_not_apply(host: Host, condition: str) -> None:
    assert not applies(host, [{"x": "1", "z": "abc"}], condition)


def test_variable_may_name_its_limit(host: Host) -> None:
    host.load(
        "- {namespace: n, max_value: 0, seconds: 60, name: x, conditions: [], variables: "
        "[limit.name]}"
    )
    assert host.should("n", {}).overall_code == OVER_LIMIT
    host.report("n", {})
    assert [counter.values for counter in host.listed()] == [("x",)]


def test_refused_first_hit_leaves_no_counter(host: Host) -> None:
    host.load(
        "- {namespace: n, max_value: 3, seconds: 60, conditions: [], "
        'variables: ["descriptors[0].u"]}'
    )
    assert host.should("n", {"u": "b"}, hits=9).overall_code == OVER_LIMIT
    assert host.listed() == []


def test_report_past_the_maximum_is_kept(host: Host) -> None:
    host.load("- {namespace: n, max_value: 5, seconds: 60, conditions: [], variables: []}")
    host.report("n", {}, hits=20)
    assert [counter.value for counter in host.listed()] == [20]
    assert host.check("n", {}).overall_code == OVER_LIMIT


def test_changed_id_counts_at_once_and_keeps_the_counter(host: Host) -> None:
    text = "- {{namespace: n, max_value: 3, seconds: 60, id: {}, conditions: [], variables: []}}"
    host.load(text.format("one"))
    assert host.should("n", {}).overall_code == OK
    host.load(text.format("two"))
    assert [limit.limit.id for limit in host.active.current.limits("n")] == ["two"]
    assert host.should("n", {}, hits=2).overall_code == OK
    assert host.should("n", {}).overall_code == OVER_LIMIT
