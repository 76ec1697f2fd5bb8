"""What a policy compiled to, told from rego-cpp's intermediate code (OPA's plan format)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Compiled:
    """names: of the rules that have a value, functions have none. builtins: all that it calls.

    unbound: rules that read a name which nothing gives a value, such as a misspelled one; rego-cpp
    takes it for undefined, and `not` of that would be true.
    """

    names: tuple[str, ...]
    builtins: frozenset[str]
    unbound: tuple[str, ...]


def compiled(plan: Mapping[str, Any], package: str) -> Compiled:
    names: dict[str, None] = {}
    unbound: dict[str, None] = {}
    for function in plan["funcs"]["funcs"]:
        path: list[str] = function.get("path") or []
        if len(path) > 2 and path[1] == package and len(function["params"]) == 2:
            names[path[2]] = None
        use = _Use(set(function["params"]))
        use.take(function["blocks"])
        if use.reads - use.writes:
            unbound[path[2] if len(path) > 2 and path[1] == package else ""] = None
    builtins = frozenset(entry["name"] for entry in plan["static"]["builtin_funcs"])
    return Compiled(tuple(names), builtins, tuple(unbound))


@dataclass(slots=True)
class _Use:
    """The locals of one function. Operands are mappings, the rest of a statement names locals by
    number: what it writes, or collections that an earlier statement made."""

    writes: set[int]
    reads: set[int] = field(default_factory=set)

    def take(self, blocks: list[Mapping[str, Any]]) -> None:
        for statement in (entry for block in blocks for entry in block["stmts"]):
            for name, value in statement["stmt"].items():
                if name in ("target", "result", "local", "key", "value") and isinstance(value, int):
                    self.writes.add(value)
                elif name == "block":
                    self.take([value])
                elif name == "blocks":
                    self.take(value)
                else:
                    self.reads.update(_locals(value))


def _locals(value: object) -> Iterator[int]:
    if isinstance(value, list):
        for inner in value:
            yield from _locals(inner)
    elif isinstance(value, dict) and value.get("type") == "local":
        yield value["value"]
