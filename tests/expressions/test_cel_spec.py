"""The conformance cases of google/cel-spec that the native compiler accepts."""

import json
from functools import cache
from pathlib import Path
from typing import Any

from cel_expr_python import cel
from cel_expr_python.ext import ext_optional, ext_strings

from _fastpath.document import NativeDocument, Uint
from expressions.cel import syntax_tree
from expressions.native import RefusedError, compile_native
from tests.expressions.lanes import same

CASES = [
    json.loads(line)
    for line in (Path(__file__).parent / "cel_spec" / "cases.jsonl").read_text().splitlines()
]
ACCEPTED = 1031


@cache
def environment(names: tuple[str, ...]) -> cel.Env:
    variables = dict.fromkeys(names, cel.Type.DYN)
    return cel.NewEnv(
        variables=variables, extensions=[ext_optional.ExtOptional(), ext_strings.ExtStrings()]
    )


def plain(value: Any) -> object:
    if isinstance(value, list):
        return [plain(item) for item in value]
    if not isinstance(value, dict):
        return value
    [(kind, content)] = value.items()
    if kind == "map":
        return {plain(key): plain(item) for key, item in content}
    if kind == "uint":
        return Uint(content)
    return {"int": int, "double": float, "bytes": bytes.fromhex}[kind](content)


def program(case: dict[str, Any]) -> Any:
    """The native program; None where the case is beyond it or not about evaluation."""
    names = tuple(case.get("variables", ()))
    if "other" in case or case.get("check_only") or case.get("container") or len(names) > 6:
        return None
    if any("." in name for name in names):
        return None
    try:
        compiled = environment(names).compile(
            case["expr"], disable_check=bool(case.get("disable_check"))
        )
        return compile_native(
            syntax_tree(compiled.serialize()).expr,
            {name: slot for slot, name in enumerate(names)},
            extremes=False,
            extensions=True,
        )
    except (RuntimeError, RefusedError):
        return None


def outcome(case: dict[str, Any], native: Any) -> tuple[int, object]:
    bindings = case.get("bindings", {})
    roots = [
        NativeDocument(plain(bindings[name])) if name in bindings else None
        for name in case.get("variables", ())
    ]
    return native.run(roots)  # type: ignore[no-any-return]


def passes(case: dict[str, Any], native: Any) -> bool:
    code, value = outcome(case, native)
    if case.get("error"):
        return code != 0
    expected = plain(case["value"])
    return code == 0 and same(value, int(expected) if type(expected) is Uint else expected)


def test_accepted_cases_give_specified_results() -> None:
    accepted = [(case, native) for case in CASES if (native := program(case))]
    assert [case["name"] for case, native in accepted if not passes(case, native)] == []
    assert len(accepted) == ACCEPTED
