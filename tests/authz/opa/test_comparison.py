"""Comparisons, and OPA's order of types."""

import asyncio
import json
import subprocess
from itertools import product
from pathlib import Path

import pytest

from authz.opa.comparison import ordered
from authz.opa.embedded import EmbeddedEngine
from authz.opa.errors import EvaluationFailed, PolicyRefused
from tests.protocol.programs import OPA, go_program

NOW = 1_790_000_000 * 10**9
VALUES = ["null", "false", "true", "-1", "5", '"5"', '"x"', "[1]", '{"a": 1}']


@pytest.mark.parametrize(
    ("rego", "rewritten"),
    [
        ("allow { input.x < 5 }", "allow { tollhouse_lt(input.x, 5) }"),
        ("allow { x := a < b; y }", "allow { x := tollhouse_lt(a, b); y }"),
        (
            "allow if a > 1\nallow if b <= 2",
            "allow if tollhouse_gt(a, 1)\nallow if tollhouse_lte(b, 2)",
        ),
        (
            "allow {\n  a\n  count(b) >= 2 # c\n  d\n}",
            "allow {\n  a\n  tollhouse_gte(count(b), 2) # c\n  d\n}",
        ),
        ("n := [x | x := xs[_]; x < 3]", "n := [x | x := xs[_]; tollhouse_lt(x, 3)]"),
        ("m := [a < b | true]", "m := [tollhouse_lt(a, b) | true]"),
        ("allow { {1} | {2} < {3} }", "allow { tollhouse_lt({1} | {2}, {3}) }"),
        ("f(x) = a < b { a := x }", "f(x) = tollhouse_lt(a, b) { a := x }"),
        (
            "allow { not a < b with input.x as 1 }",
            "allow { not tollhouse_lt(a, b) with input.x as 1 }",
        ),
        ("allow if every x in xs { x > 1 }", "allow if every x in xs { tollhouse_gt(x, 1) }"),
        ("p { a\n}\nq { (a < b) == c }", "p { a\n}\nq { (tollhouse_lt(a, b)) == c }"),
        (
            "allow { count([1 | a[_] == x; x := 1]) > 0 }",
            "allow { tollhouse_gt(count([1 | a[_] == x; x := 1]), 0) }",
        ),
        ("allow if a > 1 else := b < 2", "allow if tollhouse_gt(a, 1) else := tollhouse_lt(b, 2)"),
    ],
)
def test_comparisons_are_calls(rego: str, rewritten: str) -> None:
    assert ordered(rego) == rewritten


@pytest.mark.parametrize("rego", ["allow { < 5 }", "allow { a > }"])
def test_half_a_comparison(rego: str) -> None:
    with pytest.raises(PolicyRefused, match="compares nothing"):
        ordered(rego)


async def test_types_have_opas_order(engine: EmbeddedEngine, tmp_path: Path) -> None:
    opa = go_program(OPA)
    pairs = [(a, b) for a, b in product(VALUES, VALUES) if a != b or a[0] not in "[{"]
    document = {"v": [json.loads(value) for value in VALUES]}
    rules = "\n".join(
        f"r{at} := [input.v[{VALUES.index(a)}] < {b}, input.v[{VALUES.index(a)}] >= {b}]"
        for at, (a, b) in enumerate(pairs)
    )
    (tmp_path / "p.rego").write_text(f"package t\n{rules}")
    (tmp_path / "i.json").write_text(json.dumps(document))
    command = [opa, "eval", "--v0-compatible", "-d", "p.rego", "-i", "i.json", "data.t"]
    output = await asyncio.to_thread(subprocess.check_output, command, cwd=tmp_path)
    wanted = json.loads(output)["result"][0]["expressions"][0]["value"]
    policy = engine.open(rules, "v0")
    found = await policy.evaluate(document, NOW)
    policy.close()
    assert {pairs[at]: found[f"r{at}"] for at in range(len(pairs))} == {
        pairs[at]: wanted[f"r{at}"] for at in range(len(pairs))
    }


async def test_greatest_and_least(engine: EmbeddedEngine) -> None:
    rules = """
a := max(input.mixed)
b := min(input.mixed)
c := max([])
d := max({2, 3})
e := min(input.nothing)
"""
    policy = engine.open(rules, "v0")
    found = await policy.evaluate({"mixed": ["a", 1.0, None, True]}, NOW)
    policy.close()
    assert found == {"allow": False, "a": "a", "b": None, "d": 3}


@pytest.mark.parametrize("operands", ["[1] < [2]", '{"a": 1} >= {}', "{1} > {2}"])
async def test_the_order_of_arrays_and_objects_is_not_known(
    engine: EmbeddedEngine, operands: str
) -> None:
    policy = engine.open(f"allow {{ not {operands} }}", "v0")
    with pytest.raises(EvaluationFailed, match="the embedded engine has no order of arrays"):
        await policy.evaluate({}, NOW)
    policy.close()
