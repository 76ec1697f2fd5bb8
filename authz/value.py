"""Values of an AuthConfig: static, selected or computed; resolved in the full lane.

`unit` is the native form, or None, then `refusal` says why.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from _fastpath.document import NativeDocument
from _fastpath.program import NativeProgram
from expressions.cel import Expression
from expressions.selector import Selector

Document = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class StaticValue:
    """Any JSON; numbers are doubles, as everywhere in ext_authz."""

    value: object
    unit: NativeDocument
    refusal: None = None

    @classmethod
    def of(cls, value: object) -> "StaticValue":
        unit = NativeDocument(value, numbers_as_double=True)
        return cls(unit.to_python(), unit)

    def resolve(self, document: Document) -> object:
        return self.value


@dataclass(frozen=True, slots=True)
class SelectedValue:
    selector: Selector

    @property
    def unit(self) -> NativeProgram | None:
        return self.selector.native

    @property
    def refusal(self) -> str | None:
        return self.selector.refusal

    def resolve(self, document: Document) -> object:
        """The selected part, None when it is missing; a template's text. Raises ValueError."""
        return self.selector.evaluate(document)


@dataclass(frozen=True, slots=True)
class ComputedValue:
    expression: Expression

    @property
    def unit(self) -> NativeProgram | None:
        return self.expression.native

    @property
    def refusal(self) -> str | None:
        return self.expression.refusal

    def resolve(self, document: Document) -> object:
        """Raises expressions.errors.EvaluationError."""
        return self.expression.evaluate(document)


@dataclass(frozen=True, slots=True)
class HostAndValue:
    """A value beside the host of the request, null when the value is."""

    value: "Value"
    unit: None = None
    refusal: str = "the host belongs to the key"

    def resolve(self, document: Document) -> object:
        """Raises as the value does."""
        value = self.value.resolve(document)
        return None if value is None else [host_of(document), value]


Value = StaticValue | SelectedValue | ComputedValue | HostAndValue


def host_of(document: Document) -> str:
    """With its port, empty when the request has none."""
    request = document.get("request")
    return str(request.get("host", "")) if isinstance(request, dict) else ""
