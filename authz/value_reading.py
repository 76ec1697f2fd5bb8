"""Conditions and values inside an AuthConfig, compiled as they are read."""

from collections.abc import Mapping

from authz.condition import All, AnyItem, Condition, PatternTest, Predicate
from authz.fields import Fields
from authz.value import ComputedValue, SelectedValue, StaticValue, Value
from expressions.cel import Context, Expression, compile_expression
from expressions.errors import ExpressionError, ExpressionSyntaxError
from expressions.pattern import OPERATORS, compile_pattern
from expressions.selector import compile_selector

MOST_NESTING = 32  # of all/any groups; the native lane takes 64


def read_cel(text: str, fields: Fields, *steps: str) -> Expression | None:
    """None after noting why the text is no expression."""
    try:
        return compile_expression(text, Context.AUTHORIZATION, strict=True)
    except ExpressionSyntaxError as error:
        where = f" (line {error.line}, column {error.column})"
        fields.fault(f"{error.message}{where}", *steps)
    return None


def read_value(fields: Fields) -> Value:
    """expression before selector before value, as Authorino takes them."""
    fields.known("value", "selector", "expression")
    if fields.text("expression"):
        return computed_value(fields, "expression")
    if fields.text("selector"):
        return selected_value(fields, "selector")
    try:
        return StaticValue.of(fields.data.get("value"))
    except ValueError as error:
        fields.fault(str(error), "value")
    return StaticValue.of(None)


def selected_value(fields: Fields, name: str) -> Value:
    """A selector or template under `name`."""
    try:
        return SelectedValue(compile_selector(fields.text(name)))
    except ExpressionError as error:
        fields.fault(str(error), name)
    return StaticValue.of(None)


def computed_value(fields: Fields, name: str) -> Value:
    """CEL under `name`."""
    expression = read_cel(fields.text(name), fields, name)
    return StaticValue.of(None) if expression is None else ComputedValue(expression)


def read_pattern(item: Fields) -> list[Condition]:
    selector, operator = item.required_text("selector"), item.required_text("operator")
    value = item.text("value")
    if operator and operator not in OPERATORS:
        item.fault(f"expected one of {', '.join(OPERATORS)}", "operator")
        return []
    if not (selector and operator):
        return []
    try:
        return [PatternTest(compile_pattern(selector, operator, value))]
    except ExpressionError as error:
        item.fault(str(error))
        return []


def named_patterns(spec: Fields) -> Mapping[str, tuple[Condition, ...]]:
    """`spec.patterns`: named lists of patterns, which conditions refer to."""
    named: dict[str, tuple[Condition, ...]] = {}
    for name in spec.group("patterns").data:
        found: list[Condition] = []
        for item in spec.group("patterns").items(name):
            item.known("selector", "operator", "value")
            found += read_pattern(item)
        named[name] = tuple(found)
    return named


class ConditionReader:
    """Reads conditions that may refer to named patterns."""

    def __init__(self, patterns: Mapping[str, tuple[Condition, ...]]) -> None:
        self._patterns = patterns

    def read(self, fields: Fields, name: str, depth: int = 0) -> tuple[Condition, ...]:
        """The conditions of the list under `name`, all of which have to hold."""
        found: list[Condition] = []
        for item in fields.items(name):
            found += self._item(item, depth)
        return tuple(found)

    def _item(self, item: Fields, depth: int) -> list[Condition]:
        """All parts of an item must hold; an empty `any` has no say."""
        item.known("selector", "operator", "value", "patternRef", "predicate", "all", "any")
        if not item.data:
            item.fault("expected a pattern, patternRef, predicate, all or any")
        if depth >= MOST_NESTING:
            item.fault(f"groups are nested deeper than {MOST_NESTING}")
            return []
        found: list[Condition] = []
        if {"selector", "operator", "value"} & item.data.keys():
            found += read_pattern(item)
        if "patternRef" in item.data:
            found += self._reference(item)
        if "predicate" in item.data:
            expression = read_cel(item.text("predicate"), item, "predicate")
            if expression is not None and expression.result in ("BOOL", "DYN"):
                found.append(Predicate(expression))
            elif expression is not None:
                item.fault("expected an expression that gives a boolean", "predicate")
        if "all" in item.data:
            found.append(All(self.read(item, "all", depth + 1)))
        if item.data.get("any"):
            found.append(AnyItem(self.read(item, "any", depth + 1)))
        return found

    def _reference(self, item: Fields) -> tuple[Condition, ...]:
        name = item.required_text("patternRef")
        if name not in self._patterns:
            item.fault(f"{name!r} is not defined in spec.patterns", "patternRef")
            return ()
        return self._patterns[name]
