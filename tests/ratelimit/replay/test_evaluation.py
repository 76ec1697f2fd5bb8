"""Native evaluation selects what the full lane's does, failures included."""

import pytest

from ratelimit.limitador_file import parse
from ratelimit.replay.evaluation import natively
from ratelimit.selection import Selection, select

LIMIT = "max_value: 5, seconds: 60"
LIMITS = "\n".join(
    f"- {{namespace: ns, {LIMIT}, name: {name!r}, conditions: [{condition!r}],"
    f" variables: [{variable!r}], on_error: {policy}}}"
    for name, condition, variable, policy in (
        ("test", "descriptors[0].m == 'GET'", "descriptors[0].u", "skip"),
        (
            "text",
            "descriptors[0].p.startsWith('/a')",
            "descriptors[0].u + descriptors[1].x",
            "skip",
        ),
        ("name", "limit.name == 'name'", "size(descriptors)", "skip"),
        ("number", "int(descriptors[0].n) > 5", "int(descriptors[0].n) * 2", "refuse"),
        ("apply", "int(descriptors[0].n) > 5", "descriptors[0].n == '7'", "apply"),
        ("list", "true", "descriptors", "refuse"),
        ("macro", "descriptors.exists(d, 'x' in d)", "descriptors[0].u.matches('^a.*')", "skip"),
    )
)
REQUESTS = (
    [],
    [{}],
    [{"m": "GET", "u": "ann", "p": "/a/b", "n": "7"}],
    [{"m": "GET", "u": "ann", "p": "/b", "n": "word"}, {"x": "y"}],
    [{"m": "POST", "u": "\x00é\U0001f600", "p": "/a", "n": "3"}, {"x": ""}],
    [{"n": "99999999999999999999"}, {"x": "1"}],
)


@pytest.mark.parametrize("descriptors", REQUESTS, ids=range(len(REQUESTS)))
def test_both_evaluations_select_the_same(descriptors: list[dict[str, str]]) -> None:
    limits = parse(LIMITS, "limits.yaml").limits
    slow = select(limits, descriptors, lambda _: 1)
    assert told(select(natively(limits), descriptors, lambda _: 1)) == told(slow)


def told(selection: Selection) -> tuple[object, ...]:
    return (
        [(s.limit.limit.name, s.values, s.delta) for s in selection.applying],
        [limit.limit.name for limit in selection.refusing],
        [limit.limit.name for limit in selection.failed],
    )
