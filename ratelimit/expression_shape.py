"""CEL in a limits file: lists of expressions, and the cost of a request."""

from expressions.cel import Context, Expression, compile_expression
from expressions.errors import ExpressionSyntaxError
from ratelimit.field_shape import TEXT_SCHEMA, Faults, Shape, kind
from ratelimit.yaml_tree import Node, Scalar, Sequence

_INTEGERS = {"INT", "UINT", "DYN"}


class Expressions(Shape[tuple[Expression, ...]]):
    """In the order of their text, without repetition, as Limitador keeps them.

    What only the CEL checker refuses is a warning.
    """

    def __init__(self, context: Context) -> None:
        # An empty value counts as an empty list; only the text of the file tells it from a null.
        schema = {"type": ["array", "null"], "items": TEXT_SCHEMA}
        super().__init__("a list of CEL expressions", schema)
        self._context = context

    def read(self, name: str, node: Node, faults: Faults) -> tuple[Expression, ...] | None:
        if isinstance(node, Scalar) and node.plain and not node.text:
            return ()
        if not isinstance(node, Sequence):
            self.refuse(name, node, faults)
            return None
        compiled: dict[str, Expression] = {}
        for index, item in enumerate(node.items):
            expression = self._one(f"{name}[{index}]", item, faults)
            if expression is not None:
                compiled[expression.source] = expression
        return tuple(compiled[source] for source in sorted(compiled))

    def written(self, value: tuple[Expression, ...]) -> list[str]:
        return [expression.source for expression in value]

    def _one(self, name: str, node: Node, faults: Faults) -> Expression | None:
        if not isinstance(node, Scalar):
            faults.refuse(node, name, f"{kind(node)}; expected a CEL expression")
            return None
        try:
            expression = compile_expression(node.text, self._context, strict=False)
        except ExpressionSyntaxError as error:
            faults.refuse(node, name, f"{_place(error)}: {error.message}")
            return None
        if expression.warning is not None:
            faults.warn(node, name, f"CEL: {expression.warning}")
        return expression


class Cost(Shape[Expression | None]):
    """Checked: an expression that cannot give an integer is refused."""

    def __init__(self) -> None:
        expected = "an integer, or a CEL expression over descriptors and hits that gives one"
        super().__init__(expected, {"type": ["integer", "string"]})

    def read(self, name: str, node: Node, faults: Faults) -> Expression | None:
        if not isinstance(node, Scalar):
            self.refuse(name, node, faults)
            return None
        try:
            expression = compile_expression(node.text, Context.LIMIT_COST, strict=True)
        except ExpressionSyntaxError as error:
            message = f"{_place(error)}: {error.message}; expected {self.expected}"
            faults.refuse(node, name, message)
            return None
        if expression.result not in _INTEGERS:
            self.refuse(name, node, faults)
            return None
        return expression


def _place(error: ExpressionSyntaxError) -> str:
    return f"CEL line {error.line}, column {error.column}"
