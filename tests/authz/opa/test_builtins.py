"""Calls of built-ins, answered as OPA answers them.

builtin_calls.json holds calls and OPA's values; a call alone is undefined there.
"""

import json
import re
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from authz.opa.builtins import NATIVE, PROVIDED
from authz.opa.embedded import EmbeddedEngine
from authz.opa.errors import EvaluationFailed
from tests.protocol.programs import OPA, go_program

NOW = 1_790_000_000 * 10**9
CALLS = json.loads(Path(__file__).with_name("builtin_calls.json").read_text(), parse_int=float)
INPUT: dict[str, Any] = {"s": "abc", "n": 3.0}
RULES = "\n".join(f"r{at} := x if {{ x := {call[0]} }}" for at, call in enumerate(CALLS))
VALUED = "\n".join(
    f"r{at} := x if {{ x := {call[0]} }}" for at, call in enumerate(CALLS) if call[1:]
)
UNTOLD = {"http.send", "print", "time.now_ns", "uuid.rfc4122"}
OLD = {"all", "any", "re_match"}  # of Rego v0 alone


def test_every_built_in_is_called() -> None:
    called = " ".join(call[0] for call in CALLS)
    missing = [
        name
        for name in {*NATIVE, *PROVIDED, "concat", "max", "min"} - UNTOLD - OLD
        if not re.search(rf"(?<![\w.]){re.escape(name)}\(", called)
    ]
    assert not missing


async def test_values(engine: EmbeddedEngine) -> None:
    policy = engine.open(VALUED, "v1")
    found = await policy.evaluate(INPUT, NOW)
    policy.close()
    valued = [(call, found.get(f"r{at}")) for at, call in enumerate(CALLS) if call[1:]]
    assert [(call, value) for call, value in valued if call[1] != value] == []


@pytest.mark.parametrize("call", [call[0] for call in CALLS if not call[1:]])
async def test_calls_without_a_value_never_grant(engine: EmbeddedEngine, call: str) -> None:
    policy = engine.open(f"allow if {{ x := {call} }}", "v1")
    with suppress(EvaluationFailed):
        assert await policy.evaluate(INPUT, NOW) == {"allow": False}
    policy.close()


async def test_those_that_rego_v1_has_no_more(engine: EmbeddedEngine) -> None:
    policy = engine.open(
        "a := any([false, true])\nb := all([true, 1])\nc := re_match(`^b`, `ab`)", "v0"
    )
    found = await policy.evaluate(INPUT, NOW)
    policy.close()
    assert found == {"allow": False, "a": True, "b": False, "c": False}


@pytest.mark.slow
def test_opa_says_so(tmp_path: Path) -> None:
    (tmp_path / "policy.rego").write_text(f"package t\nimport rego.v1\n{RULES}")
    (tmp_path / "input.json").write_text(json.dumps({"s": "abc", "n": 3}))
    done = subprocess.run(
        [go_program(OPA), "eval", "-d", "policy.rego", "-i", "input.json", "data.t"],
        cwd=tmp_path, capture_output=True, check=True,
    )  # fmt: skip
    (result,) = json.loads(done.stdout, parse_int=float)["result"]
    assert _differences(result["expressions"][0]["value"]) == []


def _differences(found: Any) -> list[tuple[Any, object]]:
    given = [(call, found.get(f"r{at}")) for at, call in enumerate(CALLS)]
    return [(call, value) for call, value in given if (call[1:] or [None]) != [value]]
