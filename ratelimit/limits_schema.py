"""The JSON Schema of limits files, made of the table of fields.

`python -m ratelimit.limits_schema` prints it; deploy/schemas/limits.schema.json is its output.
"""

import json
from collections.abc import Iterable
from typing import Any

from _fastpath.limit_spec import Algorithm
from ratelimit.limit_fields import ALGORITHM, ALL, FIELDS, MAX_VALUE, SHADOW, UNLIMITED, Field


def limits_schema() -> dict[str, object]:
    """Draft 2020-12; unknown fields are allowed, as the reader passes over them."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Rate limits",
        "description": "Limitador's limits file, with fields of Tollhouse.",
        "type": ["array", "null"],
        "items": {"$ref": "#/$defs/limit"},
        "$defs": {"limit": _limit()},
    }


def _limit() -> dict[str, object]:
    return {
        "type": "object",
        "required": [field.name for field in FIELDS.values() if field.missing is not None],
        "properties": {field.name: _property(field) for field in FIELDS.values()},
        "allOf": [*_windows(), *_restrictions(), _unlimited()],
    }


def _property(field: Field[Any]) -> dict[str, object]:
    schema: dict[str, object] = {"description": field.meaning, **field.shape.schema}
    if field.missing is None and not field.window and field.default is not None:
        schema["default"] = field.shape.written(field.default)
    return schema


def _windows() -> list[dict[str, object]]:
    """Each algorithm has exactly one field that gives its window."""
    groups: dict[tuple[str, ...], list[Algorithm]] = {}
    for algorithm in Algorithm:
        fitting = (f.name for f in FIELDS.values() if f.window and algorithm in f.only_for)
        groups.setdefault(tuple(fitting), []).append(algorithm)
    return [
        {"if": _is(algorithms), "then": {"oneOf": [{"required": [name]} for name in names]}}
        for names, algorithms in groups.items()
    ]


def _restrictions() -> list[dict[str, object]]:
    groups: dict[frozenset[Algorithm], list[str]] = {}
    for field in FIELDS.values():
        if field.only_for != ALL:
            groups.setdefault(field.only_for, []).append(field.name)
    return [
        {"if": _is(ALL - known), "then": {"properties": dict.fromkeys(names, False)}}
        for known, names in groups.items()
    ]


def _unlimited() -> dict[str, object]:
    return {
        "if": {"properties": {UNLIMITED.name: {"const": True}}, "required": [UNLIMITED.name]},
        "then": {"properties": {MAX_VALUE.name: False, SHADOW.name: False}},
    }


def _is(algorithms: Iterable[Algorithm]) -> dict[str, object]:
    """Whether the limit's algorithm is one of these; a missing one is the default."""
    names = [ALGORITHM.shape.written(algorithm) for algorithm in sorted(algorithms)]
    condition: dict[str, object] = {"properties": {ALGORITHM.name: {"enum": names}}}
    if ALGORITHM.default not in algorithms:
        condition["required"] = [ALGORITHM.name]
    return condition


def text() -> str:
    return json.dumps(limits_schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    print(text(), end="")
