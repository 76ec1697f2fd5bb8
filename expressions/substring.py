"""`text.substring(start, end)` as CEL's string extensions define it.

cel-cpp (cel-expr-python 0.1.3) refuses an end that is the text's own, so calls with two positions
are put to a function of this module before they are evaluated.
"""

from cel.expr.checked_pb2 import CheckedExpr
from cel.expr.syntax_pb2 import Expr, ParsedExpr
from cel_expr_python import cel

from expressions.binding import to_cel
from expressions.syntax import children

_NAME = "substringBetween"


def _between(text: str, start: int, end: int) -> object:
    if not 0 <= start <= end <= len(text):
        raise ValueError("substring: a position is outside of the text")
    return to_cel(text[start:end])


SUBSTRING = cel.CelExtension(
    "tollhouse.substring",
    [
        cel.FunctionDecl(
            _NAME,
            [
                cel.Overload(
                    _NAME,
                    return_type=cel.Type.STRING,
                    parameters=[cel.Type.STRING, cel.Type.INT, cel.Type.INT],
                    is_member=True,
                    impl=_between,
                )
            ],
        )
    ],
)


def use_own_substring(tree: CheckedExpr | ParsedExpr) -> bool:
    """Puts the calls in the tree to our function; whether there are any."""
    calls = _calls(tree.expr)
    for node in calls:
        node.call_expr.function = _NAME
        if isinstance(tree, CheckedExpr) and node.id in tree.reference_map:
            tree.reference_map[node.id].overload_id[:] = [_NAME]
    return bool(calls)


def _calls(node: Expr) -> list[Expr]:
    found = [call for child in children(node) for call in _calls(child)]
    call = node.call_expr
    if call.function == "substring" and call.HasField("target") and len(call.args) == 2:
        found.append(node)
    return found
