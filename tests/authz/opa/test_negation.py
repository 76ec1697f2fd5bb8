"""Negations of what the input lacks."""

import json
import subprocess
from pathlib import Path

import pytest

from authz.opa.embedded import EmbeddedEngine
from authz.opa.errors import PolicyRefused
from authz.opa.negation import MOST_MOVES, outside_of_negations
from authz.opa.policy import prepare
from tests.protocol.programs import OPA, go_program

NOW = 1_790_000_000 * 10**9
HELP = 'f(x) { x == "x" }\nbad = {"x", "y"}\nlist = input.list\n'
# Each with whether OPA takes it for true of an empty input.
NEGATIONS = {
    'not startswith(input.a.b, "x")': False,
    "not f(input.a.b)": False,
    "not f(list)": False,
    "not bad[input.a.b]": False,
    'not {"x", "y"}[input.a.b]': False,
    'not lower(input.a.b) == "x"': False,
    'not contains(lower(input.a.b), "x")': False,
    "not sum(input.a.n) > 5": False,
    "not input.a.n > 5": False,
    "not input.a.n != 5": False,
    "not input.a.n + 1 == 2": False,
    "not input.a.b == lower(input.a.c)": False,
    "not input.a[input.b] == 1": False,
    'not [input.a.b] == ["x"]': False,
    'not {"k": input.a.b}.k == 3': False,
    "not f(input.a.b) with input as {}": False,
    "not to_number(input.a.b) > 5": False,
    "not json.unmarshal(input.a.b).k": False,
    "not io.jwt.decode(input.a.b)[1].blocked": False,
    "x := input; not f(x.a)": False,
    'not input.a.b == "x"': True,
    'not input.a.b = "x"': True,
    "not input.a.b == input.a.c": True,
    "not input.a.b": True,
    "not list == 3": True,
    "not list[0]": True,
    'not f("z")': True,
    'x := "q"; not input.a[x]': True,
    "not count([x | x := input.list[_]; x == input.z]) > 0": True,
}
RULES = "\n".join(f"default r{n} = false\nr{n} {{ {text} }}" for n, text in enumerate(NEGATIONS))


async def test_what_is_missing_is_not_denied_away(engine: EmbeddedEngine) -> None:
    policy = engine.open(HELP + RULES, "v0")
    found = await policy.evaluate({}, NOW)
    policy.close()
    assert {text: found[f"r{n}"] for n, text in enumerate(NEGATIONS)} == NEGATIONS


@pytest.mark.slow
def test_opa_says_so(tmp_path: Path) -> None:
    (tmp_path / "policy.rego").write_text(f"package t\n{HELP}{RULES}")
    (tmp_path / "input.json").write_text("{}")
    done = subprocess.run(
        [
            *(go_program(OPA), "eval", "--v0-compatible", "-d", "policy.rego"),
            *("-i", "input.json", "data.t"),
        ],
        cwd=tmp_path, capture_output=True, check=True,
    )  # fmt: skip
    found = json.loads(done.stdout)["result"][0]["expressions"][0]["value"]
    assert {text: found[f"r{n}"] for n, text in enumerate(NEGATIONS)} == NEGATIONS


@pytest.mark.parametrize(
    ("rego", "rewritten"),
    [
        ("r { not f(input.a) }", "r { tollhouse_not_0 := input.a; not f(tollhouse_not_0) }"),
        ("r if not f(input.a)", "r if { tollhouse_not_0 := input.a; not f(tollhouse_not_0) }"),
        (
            "r { x; not f(lower(a.b))\n  y }",
            "r { x; tollhouse_not_0 := lower(a.b); not f(tollhouse_not_0)\n  y }",
        ),
        (
            "n := {x | x := xs[_]; not f(x.y)}",
            "n := {x | x := xs[_]; tollhouse_not_0 := x.y; not f(tollhouse_not_0)}",
        ),
        ("r { not f(x, 1) }", "r { not f(x, 1) }"),
        ("r { not a.b.c }", "r { not a.b.c }"),
    ],
)
def test_parts_are_moved_before_the_negation(rego: str, rewritten: str) -> None:
    assert outside_of_negations(rego, frozenset()) == rewritten
    assert outside_of_negations(rewritten, frozenset()) == rewritten


@pytest.mark.slow
def test_too_many_are_refused() -> None:
    with pytest.raises(PolicyRefused, match="too many negations"):
        prepare("allow {\n" + "  not f(input.a)\n" * (MOST_MOVES + 1) + "}", "v0")
