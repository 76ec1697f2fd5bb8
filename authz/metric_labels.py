"""Labels that a request's own Envoy metadata puts on its series, under Authorino's key.

    io.kuadrant.metrics.labels: {plan: gold, user: {cel_expr: auth.identity.sub}}

Values are text, numbers, booleans, or CEL over the authorization document as of the end of the
request. A label is left out when its name is none, when it fails or when it is null (reference §8).
"""

import re
from collections.abc import Mapping
from typing import Any

from cachetools import LRUCache

from _fastpath.text import text_of_value
from authz.durations import Extra
from expressions.cel import Context, Expression, compile_expression
from expressions.errors import EvaluationError, ExpressionSyntaxError

KEY = "io.kuadrant.metrics.labels"
EXPRESSION = "cel_expr"
RESERVED = frozenset(
    {"namespace", "authconfig", "status", "evaluator_type", "evaluator_name", "le", "wristband"}
)
OTHER = "other"
MOST_LABELS = 16  # of a request
MOST_SETS = 1000  # different ones, over all requests; further ones have the value OTHER
MOST_CHARACTERS = 256  # of a value; the rest is cut
MOST_EXPRESSION = 1024
MOST_EXPRESSIONS = 256  # kept compiled
_NAME = re.compile("[a-zA-Z_][a-zA-Z0-9_]{0,63}")


class MetricLabels:
    """Used on the event loop."""

    def __init__(self) -> None:
        self._expressions: LRUCache[str, Expression | None] = LRUCache(MOST_EXPRESSIONS)
        self._sets: set[Extra] = set()

    def of(self, document: Mapping[str, Any]) -> Extra:
        """Sorted by name; empty for most requests."""
        asked = document["metadata"].get("filter_metadata", {}).get(KEY)
        if not isinstance(asked, Mapping):
            return ()
        found = []
        for name in sorted(asked)[:MOST_LABELS]:
            if _NAME.fullmatch(name) and not name.startswith("__") and name not in RESERVED:
                text = self._text(asked[name], document)
                if text is not None:
                    found.append((name, text[:MOST_CHARACTERS]))
        return self._bounded(tuple(found))

    def _bounded(self, labels: Extra) -> Extra:
        if labels in self._sets:
            return labels
        if len(self._sets) >= MOST_SETS:
            # Names come from the gateway's configuration, values from requests.
            return tuple((name, OTHER) for name, _ in labels)
        self._sets.add(labels)
        return labels

    def _text(self, value: object, document: Mapping[str, Any]) -> str | None:
        if isinstance(value, Mapping):
            expression = self._expression(value.get(EXPRESSION))
            if expression is None:
                return None
            try:
                value = expression.evaluate(document)
            except EvaluationError:
                return None
        if value is None or not isinstance(value, str | bool | int | float):
            return None
        return text_of_value(value)

    def _expression(self, text: object) -> Expression | None:
        if not isinstance(text, str) or len(text) > MOST_EXPRESSION:
            return None
        if text not in self._expressions:
            try:
                self._expressions[text] = compile_expression(
                    text, Context.AUTHORIZATION, strict=True
                )
            except ExpressionSyntaxError:
                self._expressions[text] = None
        return self._expressions[text]
