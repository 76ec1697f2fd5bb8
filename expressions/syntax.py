"""What can be read off a parsed expression: its variables and the equality tests it needs."""

from cel.expr.syntax_pb2 import Expr

EqualityTest = tuple[int, str, str]  # descriptors[index].key == value


def children(node: Expr) -> list[Expr]:
    kind = node.WhichOneof("expr_kind")
    if kind == "select_expr":
        return [node.select_expr.operand]
    if kind == "call_expr":
        call = node.call_expr
        return ([call.target] if call.HasField("target") else []) + list(call.args)
    if kind == "list_expr":
        return list(node.list_expr.elements)
    if kind == "struct_expr":
        entries = node.struct_expr.entries
        return [e.map_key for e in entries if e.HasField("map_key")] + [e.value for e in entries]
    if kind == "comprehension_expr":
        loop = node.comprehension_expr
        return [
            loop.iter_range,
            loop.accu_init,
            loop.loop_condition,
            loop.loop_step,
            loop.result,
        ]
    return []


def free_names(node: Expr, bound: frozenset[str] = frozenset()) -> frozenset[str]:
    """Identifiers that the expression reads from its context."""
    kind = node.WhichOneof("expr_kind")
    if kind == "ident_expr":
        return frozenset({node.ident_expr.name}) - bound
    if kind == "comprehension_expr":
        loop = node.comprehension_expr
        inner = bound | {loop.iter_var, loop.iter_var2, loop.accu_var}
        names = free_names(loop.iter_range, bound) | free_names(loop.accu_init, bound)
        for part in (loop.loop_condition, loop.loop_step, loop.result):
            names |= free_names(part, inner)
        return names
    names = frozenset()
    for child in children(node):
        names |= free_names(child, bound)
    return names


def equality_tests(node: Expr) -> tuple[EqualityTest, ...]:
    """Tests `descriptors[i].key == 'value'` that hold whenever the expression is true."""
    if node.WhichOneof("expr_kind") != "call_expr":
        return ()
    call = node.call_expr
    if call.function == "_&&_":
        return equality_tests(call.args[0]) + equality_tests(call.args[1])
    if call.function != "_==_":
        return ()
    for place, other in ((call.args[0], call.args[1]), (call.args[1], call.args[0])):
        found = descriptor_entry(place)
        if found and other.WhichOneof("expr_kind") == "const_expr":
            constant = other.const_expr
            if constant.WhichOneof("constant_kind") == "string_value":
                return ((*found, constant.string_value),)
    return ()


def is_equality_tests(node: Expr) -> bool:
    """Whether the expression is a conjunction of such tests and nothing else."""
    if node.call_expr.function == "_&&_":
        return all(is_equality_tests(arg) for arg in node.call_expr.args)
    return bool(equality_tests(node))


def descriptor_indexes(node: Expr) -> frozenset[int]:
    """The constant indexes i of all `descriptors[i]` in the expression."""
    index = descriptor_index(node)
    found = frozenset() if index is None else frozenset({index})
    return found.union(*map(descriptor_indexes, children(node)))


def descriptor_entries(node: Expr) -> frozenset[tuple[int, str]]:
    """All (index, key) of entries `descriptors[index].key` that the expression names."""
    entry = descriptor_entry(node)
    found = frozenset() if entry is None else frozenset({entry})
    return found.union(*map(descriptor_entries, children(node)))


def descriptor_entry(node: Expr) -> tuple[int, str] | None:
    """(index, key) of `descriptors[index].key` or `descriptors[index]['key']`."""
    if node.WhichOneof("expr_kind") == "select_expr" and not node.select_expr.test_only:
        index = descriptor_index(node.select_expr.operand)
        return None if index is None else (index, node.select_expr.field)
    if node.WhichOneof("expr_kind") == "call_expr" and node.call_expr.function == "_[_]":
        operand, key = node.call_expr.args
        index = descriptor_index(operand)
        if index is not None and key.const_expr.WhichOneof("constant_kind") == "string_value":
            return index, key.const_expr.string_value
    return None


def descriptor_index(node: Expr) -> int | None:
    if node.WhichOneof("expr_kind") != "call_expr" or node.call_expr.function != "_[_]":
        return None
    operand, index = node.call_expr.args
    if operand.ident_expr.name != "descriptors":
        return None
    if index.const_expr.WhichOneof("constant_kind") != "int64_value":
        return None
    number = index.const_expr.int64_value
    return number if 0 <= number < 64 else None
