"""References that iterate, rewritten."""

import pytest

from authz.opa.iteration import spread_out


@pytest.mark.parametrize(
    ("rego", "rewritten"),
    [
        ("allow { f(xs[_]) }", "allow { some tollhouse_0 in xs; f(tollhouse_0) }"),
        ("allow { f(xs[i]) }", "allow { tollhouse_0 = xs[i]; f(tollhouse_0) }"),
        ("allow if f(xs[_])", "allow if { some tollhouse_0 in xs; f(tollhouse_0) }"),
        (
            "allow { a[_] == b[_] }",
            "allow { some tollhouse_0 in a; tollhouse_0 == b[_] }",
        ),
        ("allow { x := xs[_]; y }", "allow { some x in xs; y }"),
        (
            "allow { p[q[_]][_] == 1 }",
            "allow { some tollhouse_1 in q; some tollhouse_0 in p[tollhouse_1]; tollhouse_0 == 1 }",
        ),
        ("n := {x | f(xs[_], x)}", "n := {x | some tollhouse_0 in xs; f(tollhouse_0, x)}"),
        (
            "allow {\n  a\n  [xs[_]] == b\n  c\n}",
            "allow {\n  a\n  some tollhouse_0 in xs; [tollhouse_0] == b\n  c\n}",
        ),
        (
            "allow if every r in rs { f(xs[_], r) }",
            "allow if every r in rs { some tollhouse_0 in xs; f(tollhouse_0, r) }",
        ),
        (
            "allow { f(split(x, y)[_]) }",
            "allow { some tollhouse_0 in split(x, y); f(tollhouse_0) }",
        ),
    ],
)
def test_what_iterates_gets_a_literal_of_its_own(rego: str, rewritten: str) -> None:
    assert spread_out(rego) == rewritten
    assert spread_out(rewritten) == rewritten


@pytest.mark.parametrize(
    "rego",
    [
        "allow { not f(xs[_]) }",
        "allow { f(xs[_]) with input.x as 1 }",
        "allow { xs[_] == 1 }",
        'allow { f(xs[0], ys["a"], zs.b) }',
        "n := {f(xs[_]) | true}",
        "a := xs[_]",
        "p[x] { xs[x] }",
        "f(x[_])",
    ],
)
def test_what_stays(rego: str) -> None:
    assert spread_out(rego) == rego
