"""What entries of an AuthConfig have in common, read once for all kinds."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from _fastpath.header_spec import HEADER_NAME
from _fastpath.rule_spec import Credential, Place
from authz.condition import Condition
from authz.fields import Fields
from authz.outgoing.errors import BadRequest
from authz.outgoing.url import checked_url
from authz.selector_match import OPERATORS, LabelSelector, Requirement
from authz.value import Value
from authz.value_reading import ConditionReader, computed_value, read_value, selected_value

TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class Reading:
    """Helpers for the `read` of a kind; each notes its faults where they are.

    entry: the whole entry. extension: its part of the extensions annotation.
    """

    entry: Fields
    extension: Fields
    condition_reader: ConditionReader

    def value(self, fields: Fields) -> Value:
        """A mapping of value, selector or expression."""
        return read_value(fields)

    def values(self, fields: Fields, name: str) -> Mapping[str, Value]:
        """A mapping of such mappings under `name`."""
        return {key: read_value(inner) for key, inner in fields.groups(name)}

    def template(self, fields: Fields, name: str) -> Value:
        """The template under `name`."""
        return selected_value(fields, name)

    def expression(self, fields: Fields, name: str) -> Value:
        """The CEL expression under `name`."""
        return computed_value(fields, name)

    def conditions(self, fields: Fields, name: str) -> tuple[Condition, ...]:
        """The list of conditions under `name`."""
        return self.condition_reader.read(fields, name)

    def credential(self, fields: Fields) -> tuple[Credential, str]:
        return read_credential(fields)

    def label_selector(self, fields: Fields) -> LabelSelector:
        return read_label_selector(fields)

    def url(self, fields: Fields, name: str) -> str:
        """The URL under `name`, which is required and has no placeholders."""
        text = fields.required_text(name)
        try:
            if isinstance(fields.data.get(name), str):
                checked_url(text)
        except BadRequest as error:
            fields.fault(str(error), name)
        return text

    def timeout(self, fields: Fields, name: str = "timeout") -> float | None:
        """Milliseconds as seconds; absent or negative is five seconds, 0 is None: no limit."""
        if not fields.has(name):
            return TIMEOUT_S
        milliseconds = fields.integer(name)
        if milliseconds == 0:
            return None
        return TIMEOUT_S if milliseconds < 0 else milliseconds / 1000


def check_header_names(fields: Fields, names: Iterable[str]) -> None:
    """RFC 9110 §5.1: a field name is a token. Pseudo headers are Envoy's own."""
    for name in names:
        if not HEADER_NAME.fullmatch(name):
            fields.fault(f"{name!r} is not a header name")


def read_credential(fields: Fields) -> tuple[Credential, str]:
    """Where the credential is, and the identifier of its challenge."""
    kinds = ("authorizationHeader", "customHeader", "queryString", "cookie")
    fields.known(*kinds)
    if len(fields.data) > 1:
        fields.fault(f"expected at most one of {', '.join(kinds)}")
    if "customHeader" in fields.data:
        name = _required_name(fields.group("customHeader"))
        return Credential(Place.CUSTOM_HEADER, name.lower()), name
    if "queryString" in fields.data:
        name = _required_name(fields.group("queryString"))
        return Credential(Place.QUERY_STRING, name), name
    if "cookie" in fields.data:
        name = _required_name(fields.group("cookie"))
        return Credential(Place.COOKIE, name), name
    header = fields.group("authorizationHeader")
    header.known("prefix")
    prefix = header.text("prefix") or "Bearer"
    return Credential(Place.AUTHORIZATION_HEADER, prefix), prefix


def _required_name(fields: Fields) -> str:
    fields.known("name")
    return fields.required_text("name")


def read_label_selector(fields: Fields) -> LabelSelector:
    fields.known("matchLabels", "matchExpressions")
    labels = fields.group("matchLabels")
    pairs = frozenset((key, labels.text(key)) for key in labels.data)
    requirements = []
    for item in fields.items("matchExpressions"):
        item.known("key", "operator", "values")
        key, operator = item.required_text("key"), item.required_text("operator")
        values = item.texts("values")
        if operator not in OPERATORS:
            item.fault(f"expected one of {', '.join(OPERATORS)}", "operator")
        elif (operator in ("In", "NotIn")) != bool(values):
            item.fault(f"{operator} takes {'values' if not values else 'no values'}", "values")
        requirements.append(Requirement(key, operator, frozenset(values)))
    return LabelSelector(pairs, tuple(requirements))
