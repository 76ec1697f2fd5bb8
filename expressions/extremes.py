"""`max` and `min` as the limits of Limitador know them: over arguments or over one list.

Numbers compare by value, text, bytes and booleans with their own kind; nothing else compares. Of
equal values the first is the result, of none at all null. An unsigned integer below 2**63 comes
back as a signed one.
"""

from collections.abc import Callable
from typing import Any

from cel_expr_python import cel

from expressions.binding import from_cel, to_cel

_MOST_ARGUMENTS = 6


def _comparable(a: Any, b: Any) -> tuple[Any, Any]:
    """Both in one kind that Python orders as CEL does."""
    for kind in (bool, str, bytes):
        if isinstance(a, kind) and isinstance(b, kind):
            return a, b
    if isinstance(a, bool) or isinstance(b, bool):
        raise TypeError("No matching overloads: values do not compare")
    if isinstance(a, (int, float)) and isinstance(b, (int, float)):
        if isinstance(a, float) or isinstance(b, float):
            return float(a), float(b)
        return a, b
    raise TypeError("No matching overloads: values do not compare")


def _extreme(better: Callable[[Any, Any], bool]) -> Callable[..., Any]:
    def pick(*arguments: Any) -> Any:
        values = [from_cel(argument) for argument in arguments]
        if len(values) == 1 and isinstance(values[0], list):
            values = values[0]
        if not values:
            return None
        best = values[0]
        for value in values[1:]:
            if better(*_comparable(value, best)):
                best = value
        return to_cel(best)

    return pick


def _declare(name: str, better: Callable[[Any, Any], bool]) -> cel.FunctionDecl:
    return cel.FunctionDecl(
        name,
        [
            cel.Overload(
                f"{name}_{count}",
                return_type=cel.Type.DYN,
                parameters=[cel.Type.DYN] * count,
                impl=_extreme(better),
            )
            for count in range(1, _MOST_ARGUMENTS + 1)
        ],
    )


EXTREMES = cel.CelExtension(
    "tollhouse.extremes",
    [_declare("max", lambda a, b: a > b), _declare("min", lambda a, b: a < b)],
)
