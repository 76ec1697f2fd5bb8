"""CEL's syntax tree compiled to a program of the fast lane.

What the program would not evaluate exactly as cel-cpp does is refused with the name of the
construct, and the expression stays in the full lane. An optional exists only between the operation
that makes it and the one that resolves it, so whether a node is one is known here, and an optional
anywhere else is refused.
"""

from collections.abc import Callable

from cel.expr.syntax_pb2 import Constant, Expr

from _fastpath.document import Uint
from _fastpath.program import MAX_LOCALS, NativeProgram, ProgramBuilder
from expressions.errors import ErrorCode
from expressions.syntax import children

_OPERATORS = {
    "_&&_": "and", "_||_": "or", "!_": "not", "_==_": "equal", "_!=_": "not_equal",
    "_<_": "less", "_<=_": "less_equal", "_>_": "greater", "_>=_": "greater_equal", "@in": "in",
    "_+_": "add", "_-_": "subtract", "_*_": "multiply", "_/_": "divide", "_%_": "modulo",
    "-_": "negate", "_[_]": "index", "@not_strictly_false": "not_strictly_false",
}  # fmt: skip
_FUNCTIONS = {
    ("size", False, 1): "size", ("size", True, 1): "size",
    ("int", False, 1): "int", ("uint", False, 1): "uint", ("double", False, 1): "double",
    ("bool", False, 1): "bool", ("string", False, 1): "string", ("bytes", False, 1): "bytes",
    ("startsWith", True, 2): "starts_with", ("endsWith", True, 2): "ends_with",
    ("contains", True, 2): "contains",
}  # fmt: skip
_STRINGS = {
    ("lowerAscii", True, 1): "lower_ascii", ("upperAscii", True, 1): "upper_ascii",
    ("split", True, 2): "split", ("split", True, 3): "split",
    ("replace", True, 3): "replace", ("replace", True, 4): "replace",
    ("substring", True, 2): "substring", ("substring", True, 3): "substring",
    ("indexOf", True, 2): "index_of", ("charAt", True, 2): "char_at", ("trim", True, 1): "trim",
}  # fmt: skip
# Names that mean a type or a namespace to cel-cpp rather than an unbound variable.
_RESERVED = frozenset(
    {
        *("bool", "bytes", "double", "dyn", "int", "list", "map", "null_type", "string", "type"),
        *("uint", "google", "optional", "optional_type"),
    }
)
_MOST_EXTREME_ARGUMENTS = 6


class RefusedError(Exception):
    """The fast lane does not take this expression; the message names the construct."""


class _Compiler:
    def __init__(self, slots: dict[str, int], *, extremes: bool, extensions: bool) -> None:
        self._slots = slots
        self._extremes = extremes
        self._extensions = extensions
        self._builder = ProgramBuilder()
        self._locals: dict[str, int] = {}
        self._open_locals = 0

    def program(self, expression: Expr) -> NativeProgram:
        self._plain(expression, "the result")
        return self._builder.finish()

    def _plain(self, node: Expr, place: str) -> int:
        number, optional = self._any(node)
        if optional:
            raise RefusedError(f"an optional as {place}")
        return number

    def _optional(self, node: Expr, place: str) -> int:
        number, optional = self._any(node)
        if not optional:
            raise RefusedError(f"a value that may be no optional as {place}")
        return number

    def _any(self, node: Expr) -> tuple[int, bool]:
        kind = node.WhichOneof("expr_kind")
        if kind == "const_expr":
            return self._builder.constant(_literal(node.const_expr)), False
        if kind == "ident_expr":
            return self._name(node.ident_expr.name), False
        if kind == "select_expr":
            return self._selection(node)
        if kind == "call_expr":
            return self._call(node.call_expr)
        if kind == "list_expr":
            return self._list(node.list_expr), False
        if kind == "struct_expr":
            return self._map(node.struct_expr), False
        if kind == "comprehension_expr":
            return self._comprehension(node.comprehension_expr), False
        raise RefusedError("an expression of unknown kind")

    def _name(self, name: str) -> int:
        if name in self._locals:
            return self._builder.node("local", slot=self._locals[name])
        if name in self._slots:
            return self._builder.node("root", slot=self._slots[name])
        if name in _RESERVED or name.startswith("."):
            raise RefusedError(f"the name {name}")
        return self._builder.error(ErrorCode.UNKNOWN_VARIABLE)

    def _selection(self, node: Expr) -> tuple[int, bool]:
        select = node.select_expr
        place = None if select.test_only else self._item(select.operand)
        if place:
            slot, item = place
            return self._builder.node("item_field", slot=slot, item=item, text=select.field), False
        operand, optional = self._any(select.operand)
        if select.test_only:
            name = "chain_has" if optional else "has"
            return self._builder.node(name, operand, text=select.field), False
        name = "chain_select" if optional else "select"
        return self._builder.node(name, operand, text=select.field), optional

    def _item(self, node: Expr) -> tuple[int, int] | None:
        """(slot, number) of `variable[number]`."""
        call = node.call_expr
        if call.function != "_[_]" or call.HasField("target"):
            return None
        name, number = call.args[0].ident_expr.name, call.args[1].const_expr
        if name in self._locals or name not in self._slots:
            return None
        if number.WhichOneof("constant_kind") != "int64_value":
            return None
        return (self._slots[name], number.int64_value) if 0 <= number.int64_value < 2**32 else None

    def _call(self, call: Expr.Call) -> tuple[int, bool]:
        name = call.function
        member = call.HasField("target")
        nodes = ([call.target] if member else []) + list(call.args)
        if not member and name == "_?_:_":
            return self._conditional(nodes)
        if self._extensions:
            found = self._optional_call(name, member, nodes)
            if found:
                return found
        if not member and name == "dyn" and len(nodes) == 1:
            return self._plain(nodes[0], "operand of dyn"), False
        if name == "matches" and len(nodes) == 2:
            return self._matches(nodes), False
        if not member and name in ("max", "min") and self._extremes:
            return self._extreme(name, nodes), False
        operation = self._operation(name, member, len(nodes))
        numbers = [self._plain(node, f"operand of {name}") for node in nodes]
        return self._builder.node(operation, *numbers), False

    def _operation(self, name: str, member: bool, count: int) -> str:
        if not member and name in _OPERATORS:
            return _OPERATORS[name]
        found = _FUNCTIONS.get((name, member, count))
        if not found and self._extensions:
            found = _STRINGS.get((name, member, count))
        if not found:
            raise RefusedError(f"the {'method' if member else 'function'} {name}")
        return found

    def _conditional(self, nodes: list[Expr]) -> tuple[int, bool]:
        test = self._plain(nodes[0], "condition of ?:")
        then, optional = self._any(nodes[1])
        other, other_optional = self._any(nodes[2])
        if optional != other_optional:
            raise RefusedError("?: between an optional and a value")
        return self._builder.node("conditional", test, then, other), optional

    def _optional_call(self, name: str, member: bool, nodes: list[Expr]) -> tuple[int, bool] | None:
        if not member and name == "_?._":
            operand, _ = self._any(nodes[0])
            field = nodes[1].const_expr.string_value
            return self._builder.node("optional_select", operand, text=field), True
        if not member and name == "_[?_]":
            operand, _ = self._any(nodes[0])
            key = self._plain(nodes[1], "index")
            return self._builder.node("optional_index", operand, key), True
        if not member and name == "optional.of":
            return self._plain(nodes[0], "operand of optional.of"), True
        if not member and name == "optional.none":
            return self._builder.absent(), True
        if member and name in ("orValue", "or") and len(nodes) == 2:
            target = self._optional(nodes[0], f"target of {name}")
            if name == "or":
                other = self._optional(nodes[1], "operand of or")
                return self._builder.node("or_optional", target, other), True
            other = self._plain(nodes[1], "operand of orValue")
            return self._builder.node("or_value", target, other), False
        if member and name in ("hasValue", "value") and len(nodes) == 1:
            target = self._optional(nodes[0], f"target of {name}")
            operation = "has_value" if name == "hasValue" else "value_of"
            return self._builder.node(operation, target), False
        return None

    def _matches(self, nodes: list[Expr]) -> int:
        constant = nodes[1].const_expr
        if constant.WhichOneof("constant_kind") != "string_value":
            raise RefusedError("matches with a computed pattern")
        text = self._plain(nodes[0], "operand of matches")
        try:
            return self._builder.node("matches", text, pattern=constant.string_value)
        except ValueError as error:
            raise RefusedError(str(error)) from error

    def _extreme(self, name: str, nodes: list[Expr]) -> int:
        if not 1 <= len(nodes) <= _MOST_EXTREME_ARGUMENTS:
            raise RefusedError(f"{name} of {len(nodes)} arguments")
        return self._builder.node(
            name, *(self._plain(node, f"argument of {name}") for node in nodes)
        )

    def _list(self, items: Expr.CreateList) -> int:
        if all(item.WhichOneof("expr_kind") == "const_expr" for item in items.elements):
            return self._builder.constant([_literal(item.const_expr) for item in items.elements])
        marked = set(items.optional_indices)
        return self._builder.node(
            "list",
            *(
                self._optional(item, "an item marked ?")
                if place in marked
                else self._plain(item, "an item of a list")
                for place, item in enumerate(items.elements)
            ),
        )

    def _map(self, struct: Expr.CreateStruct) -> int:
        if struct.message_name:
            raise RefusedError(f"the message {struct.message_name}")
        numbers = []
        kinds = {entry.map_key.const_expr.WhichOneof("constant_kind") for entry in struct.entries}
        if None in kinds:
            raise RefusedError("a computed key of a map")
        if {"int64_value", "uint64_value"} <= kinds:
            # The specification takes 1 and 1u for the same key, cel-cpp does not.
            raise RefusedError("int and uint keys in one map")
        for entry in struct.entries:
            if entry.optional_entry:
                raise RefusedError("an optional entry of a map")
            numbers.append(self._plain(entry.map_key, "a key of a map"))
            numbers.append(self._plain(entry.value, "a value of a map"))
        return self._builder.node("map", *numbers)

    def _comprehension(self, loop: Expr.Comprehension) -> int:
        if loop.iter_var2:
            raise RefusedError("a macro of two variables")
        slot = self._open_locals
        if slot + 2 > MAX_LOCALS:
            raise RefusedError(f"more than {MAX_LOCALS // 2} nested macros")
        domain = self._plain(loop.iter_range, "range of a macro")
        start = self._plain(loop.accu_init, "start of a macro")
        outer = self._locals
        self._open_locals += 2
        self._locals = outer | {loop.accu_var: slot + 1, loop.iter_var: slot}
        condition = self._plain(loop.loop_condition, "condition of a macro")
        step = self._step(loop, slot + 1)
        self._locals = outer | {loop.accu_var: slot + 1}
        result = self._plain(loop.result, "result of a macro")
        self._locals = outer
        self._open_locals -= 2
        return self._builder.node("fold", domain, start, condition, step, result, slot=slot)

    def _step(self, loop: Expr.Comprehension, accumulator: int) -> int:
        """The step; a list is grown in place where only the macro itself can see it grow."""
        step = loop.loop_step
        if _grows(step, loop.accu_var) and _is_empty_list(loop.accu_init):
            return self._append(step, accumulator)
        call = step.call_expr
        if (
            call.function == "_?_:_"
            and _grows(call.args[1], loop.accu_var)
            and _is_empty_list(loop.accu_init)
            and call.args[2].ident_expr.name == loop.accu_var
            and not _reads(call.args[0], loop.accu_var)
        ):
            test = self._plain(call.args[0], "condition of a macro")
            then = self._append(call.args[1], accumulator)
            same = self._name(loop.accu_var)
            return self._builder.node("conditional", test, then, same)
        return self._plain(step, "step of a macro")

    def _append(self, step: Expr, accumulator: int) -> int:
        item = step.call_expr.args[1].list_expr.elements[0]
        return self._builder.node("append", self._plain(item, "an item"), slot=accumulator)


def compile_native(
    expression: Expr, slots: dict[str, int], *, extremes: bool, extensions: bool
) -> NativeProgram:
    """The program of an expression over the variables in `slots`.

    extremes: `max` and `min` are declared. extensions: optionals and string extensions are.
    Raises RefusedError.
    """
    compiler = _Compiler(slots, extremes=extremes, extensions=extensions)
    try:
        return compiler.program(expression)
    except ValueError as error:
        raise RefusedError(str(error)) from error


_LITERALS: dict[str, Callable[[Constant], object]] = {
    "null_value": lambda constant: None,
    "bool_value": lambda constant: constant.bool_value,
    "int64_value": lambda constant: constant.int64_value,
    "uint64_value": lambda constant: Uint(constant.uint64_value),
    "double_value": lambda constant: constant.double_value,
    "string_value": lambda constant: constant.string_value,
    "bytes_value": lambda constant: constant.bytes_value,
}


def _literal(constant: Constant) -> object:
    kind = constant.WhichOneof("constant_kind")
    if kind not in _LITERALS:
        raise RefusedError(f"a literal of kind {kind}")
    return _LITERALS[kind](constant)


def _is_empty_list(node: Expr) -> bool:
    return node.WhichOneof("expr_kind") == "list_expr" and not node.list_expr.elements


def _grows(step: Expr, accumulator: str) -> bool:
    """Whether the step is `accumulator + [item]` with an item that does not read it."""
    call = step.call_expr
    if call.function != "_+_" or call.HasField("target") or len(call.args) != 2:
        return False
    added = call.args[1].list_expr
    return (
        call.args[0].ident_expr.name == accumulator
        and len(added.elements) == 1
        and not added.optional_indices
        and not _reads(added.elements[0], accumulator)
    )


def _reads(node: Expr, name: str) -> bool:
    if node.WhichOneof("expr_kind") == "comprehension_expr":
        loop = node.comprehension_expr
        inner = (loop.loop_condition, loop.loop_step, loop.result)
        return (
            _reads(loop.iter_range, name)
            or _reads(loop.accu_init, name)
            or (loop.accu_var != name and any(_reads(part, name) for part in inner))
        )
    if node.WhichOneof("expr_kind") == "ident_expr":
        return bool(node.ident_expr.name == name)
    return any(_reads(child, name) for child in children(node))
