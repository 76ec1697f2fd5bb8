"""Labels that the operator puts on the request counters: CEL over the descriptors of a request.

`_fastpath/metric_labels.pyi` states the rules that both lanes follow.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from _fastpath.handler import Unit
from _fastpath.metric_labels import RESERVED, is_label_name, label_set, pack_labels
from _fastpath.text import key_of_value
from expressions.cel import Context, Expression, compile_expression
from expressions.errors import EvaluationError, ExpressionSyntaxError
from ratelimit import yaml_tree
from ratelimit.errors import LimitsFileError, Problem
from ratelimit.selection import Entries
from ratelimit.yaml_tree import Scalar


@dataclass(frozen=True)
class MetricLabels:
    """custom: by name, in order of the names. defaults: an expression whose map gives more."""

    custom: Mapping[str, Expression] = field(default_factory=dict)
    defaults: Expression | None = None

    def unit(self) -> Unit:
        """What the native plan holds."""
        programs = [(name, expression.native) for name, expression in self.custom.items()]
        defaults = self.defaults
        native = defaults is None or defaults.native is not None
        return label_set(programs, defaults.native if defaults else None, native)

    def refusals(self) -> list[tuple[str, str]]:
        """Labels without a native program, with the reason; the defaults have no name."""
        found = [*self.custom.items(), *([("", self.defaults)] if self.defaults else [])]
        return [
            (name, expression.refusal)
            for name, expression in found
            if expression.refusal is not None
        ]

    def of(self, descriptors: Sequence[Entries]) -> tuple[tuple[str, str], ...]:
        roots = {"descriptors": descriptors}
        found = self._defaults(roots)
        for name, expression in self.custom.items():
            text = _text(expression, roots)
            if text is not None:
                found.append((name, text))
        return tuple(found)

    def packed(self, descriptors: Sequence[Entries]) -> bytes:
        """As the counters are told; see `pack_labels`."""
        return pack_labels(self.of(descriptors))

    def _defaults(self, roots: Mapping[str, object]) -> list[tuple[str, str]]:
        if self.defaults is None:
            return []
        try:
            value = self.defaults.evaluate(roots)
        except EvaluationError:
            return []
        if not isinstance(value, dict):
            return []
        return [
            (name, text)
            for name, text in value.items()
            if isinstance(name, str)
            and isinstance(text, str)
            and is_label_name(name)
            and name not in RESERVED
            and name not in self.custom
        ]


class ActiveLabels:
    """The labels in force. Used on the event loop.

    publish: puts the expressions into the native plan and returns the plan's generation.
    """

    def __init__(self, publish: Callable[[Unit], int]) -> None:
        self._publish = publish
        self.current = MetricLabels()

    def apply(self, labels: MetricLabels) -> None:
        self._publish(labels.unit())
        self.current = labels


def _text(expression: Expression, roots: Mapping[str, object]) -> str | None:
    try:
        value = expression.evaluate(roots)
        if value is None or isinstance(value, str | int | float):
            return key_of_value(value)
    except (EvaluationError, ValueError):
        pass
    return None


def parse(
    text: str, path: str, defaults: Expression | None = None
) -> tuple[MetricLabels, list[Problem]]:
    """The labels of a file, a YAML mapping from name to CEL, and what of it is passed over: names
    that no label can have and expressions that are no CEL.

    Raises LimitsFileError for a file that is no such mapping.
    """
    root = yaml_tree.read(text, path)
    if root is None or (isinstance(root, Scalar) and root.plain and not root.text):
        return MetricLabels({}, defaults), []
    if not isinstance(root, yaml_tree.Mapping):
        message = "is no mapping from label to CEL expression"
        raise LimitsFileError([Problem(path, root.line, "", message)])
    custom: dict[str, Expression] = {}
    passed: list[Problem] = []
    for key, value in root.pairs:
        if not isinstance(key, Scalar) or not isinstance(value, Scalar):
            message = "expected a label and its CEL expression"
            raise LimitsFileError([Problem(path, key.line, "", message)])
        if not is_label_name(key.text) or key.text in RESERVED:
            passed.append(Problem(path, key.line, key.text, "is no name for a label here"))
            continue
        try:
            custom[key.text] = expression_of(value.text)
        except ExpressionSyntaxError as error:
            passed.append(Problem(path, value.line, key.text, error.message))
    return MetricLabels(dict(sorted(custom.items())), defaults), passed


def expression_of(source: str) -> Expression:
    """Raises ExpressionSyntaxError."""
    return compile_expression(source, Context.METRIC_LABEL, strict=False)
