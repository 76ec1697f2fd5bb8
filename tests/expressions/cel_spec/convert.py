"""Rewrite google/cel-spec's conformance cases as one JSON case per line.

    python tests/expressions/cel_spec/convert.py CHECKOUT > tests/expressions/cel_spec/cases.jsonl

CHECKOUT is a checkout of https://github.com/google/cel-spec; README.md names the commit in use.
A value is JSON where JSON has its type (null, booleans, text, lists), else an object with one
member named after the type; integers are text, because JSON's numbers are doubles.
"""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cel.expr.conformance.proto2 import test_all_types_extensions_pb2 as _  # noqa: F401
from cel.expr.conformance.proto3 import test_all_types_pb2  # noqa: F401
from cel.expr.conformance.test import simple_pb2
from google.protobuf import text_format


class _NoJson(Exception):
    """A value that is neither plain data nor an error."""


def _value(value: Any) -> object:
    kind = value.WhichOneof("kind")
    if kind == "null_value":
        return None
    if kind in ("bool_value", "string_value"):
        return getattr(value, kind)
    if kind in ("int64_value", "uint64_value"):
        return {kind.removesuffix("64_value"): str(getattr(value, kind))}
    if kind == "double_value":
        return {"double": repr(value.double_value)}
    if kind == "bytes_value":
        return {"bytes": value.bytes_value.hex()}
    if kind == "list_value":
        return [_value(item) for item in value.list_value.values]
    if kind == "map_value":
        return {"map": [[_value(e.key), _value(e.value)] for e in value.map_value.entries]}
    raise _NoJson(kind)


def _expectation(test: Any) -> dict[str, object]:
    matcher = test.WhichOneof("result_matcher")
    if matcher is None:
        return {"value": True}
    if matcher == "value":
        return {"value": _value(test.value)}
    if matcher == "typed_result":
        return {"value": _value(test.typed_result.result)}
    if matcher in ("eval_error", "any_eval_errors"):
        return {"error": True}
    raise _NoJson(matcher)


def _cases(file: Any) -> Iterator[dict[str, object]]:
    for section in file.section:
        for test in section.test:
            case: dict[str, object] = {
                "name": f"{file.name}/{section.name}/{test.name}",
                "expr": test.expr,
            }
            if test.disable_check:
                case["disable_check"] = True
            if test.container:
                case["container"] = test.container
            declared = {item.name for item in test.type_env if item.HasField("ident")}
            names = sorted(declared | set(test.bindings))
            if names:
                case["variables"] = names
            try:
                bound = {name: _value(test.bindings[name].value) for name in sorted(test.bindings)}
                if bound:
                    case["bindings"] = bound
                case |= {"check_only": True} if test.check_only else _expectation(test)
            except _NoJson as error:
                case["other"] = str(error)
            yield case


def main() -> None:
    for path in sorted(Path(sys.argv[1], "tests/simple/testdata").glob("*.textproto")):
        # Cases about messages newer than the installed ones end as "other" either way.
        file = text_format.Parse(
            # Python's reader keeps the backslash of C's escape for a question mark.
            re.sub(r"(?<!\\)((?:\\\\)*)\\\?", r"\1?", path.read_text("utf-8")),
            simple_pb2.SimpleTestFile(),
            allow_unknown_field=True,
        )
        for case in _cases(file):
            print(json.dumps(case, separators=(",", ":"), ensure_ascii=True))


if __name__ == "__main__":
    main()
