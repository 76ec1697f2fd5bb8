"""One entry of a limits file: its fields, and which of them go together."""

from difflib import get_close_matches
from functools import lru_cache
from typing import TypeVar

from _fastpath.limit_spec import Algorithm, Fail
from ratelimit import limit_fields as fields
from ratelimit import yaml_tree
from ratelimit.compiled_limit import CompiledLimit
from ratelimit.field_shape import U64_MAX, Faults, kind
from ratelimit.limit import NOMINAL_SECONDS, SECOND_NS, Limit
from ratelimit.limit_fields import FIELDS, Field
from ratelimit.yaml_tree import Node, Scalar

T = TypeVar("T")
MOST_SHOWN = 40  # characters of an unknown name


def read_limit(node: Node, faults: Faults, default_fail: Fail) -> CompiledLimit | None:
    """The limit of one item of the list, or None with everything that is wrong with it noted."""
    if not isinstance(node, yaml_tree.Mapping):
        faults.refuse(node, "", f"{kind(node)}; expected a limit")
        return None
    before = len(faults.problems)
    entry = _Entry(node, faults)
    limit = entry.limit(default_fail)
    return limit if len(faults.problems) == before else None


@lru_cache(maxsize=256)
def _unknown(name: str) -> str:
    near = get_close_matches(name, FIELDS, 1)
    return "is no field, and passed over" + (f"; did you mean {near[0]}?" if near else "")


class _Entry:
    def __init__(self, node: yaml_tree.Mapping, faults: Faults) -> None:
        self._node = node
        self._faults = faults
        self._given: dict[str, Node] = {}
        for key, value in node.pairs:
            if not isinstance(key, Scalar):
                faults.refuse(key, "", f"{kind(key)} as a key; expected the name of a field")
            elif key.plain and key.text == "<<":
                faults.refuse(key, "<<", "merge keys are not read; write the fields out")
            elif key.text not in FIELDS:
                faults.warn(key, key.text[:MOST_SHOWN], _unknown(key.text[:MOST_SHOWN]))
            elif key.text in self._given:
                faults.refuse(key, key.text, "is given twice")
            else:
                self._given[key.text] = value

    def limit(self, default_fail: Fail) -> CompiledLimit:
        before = len(self._faults.problems)
        algorithm = self._value(fields.ALGORITHM)
        if len(self._faults.problems) == before:
            self._check_algorithm(algorithm)
        unlimited = self._value(fields.UNLIMITED)
        shadow = self._value(fields.SHADOW)
        if unlimited:
            self._refuse_beside(fields.MAX_VALUE, "unlimited")
            self._refuse_beside(fields.SHADOW, "unlimited")
        seconds, nanos = self._window(algorithm)
        conditions = self._value(fields.CONDITIONS)
        variables = self._value(fields.VARIABLES)
        cost = self._value(fields.COST)
        max_value = self._value(fields.MAX_VALUE)
        limit = Limit(
            namespace=self._value(fields.NAMESPACE),
            max_value=U64_MAX if unlimited else max_value,
            seconds=seconds,
            conditions=tuple(expression.source for expression in conditions),
            variables=tuple(expression.source for expression in variables),
            name=self._value(fields.NAME),
            id=self._value(fields.ID),
            on_error=self._value(fields.ON_ERROR),
            algorithm=algorithm,
            nanos=nanos,
            period=self._value(fields.PERIOD),
            time_zone=self._value(fields.TIME_ZONE),
            burst=self._value(fields.BURST),
            unlimited=unlimited,
            shadow=shadow,
            enabled=self._value(fields.ENABLED),
            priority=self._value(fields.PRIORITY),
            cost=cost.source if cost else None,
            count_refused=self._value(fields.COUNT_REFUSED),
            fail=self._value(fields.FAIL),
            headers=self._headers(shown=not (shadow or unlimited)),
            refusal=self._value(fields.REFUSAL),
        )
        return CompiledLimit(limit, conditions, variables, cost, default_fail)

    def _value(self, field: Field[T]) -> T:
        node = self._given.get(field.name)
        if node is None:
            if field.missing is not None:
                self._faults.refuse(self._node, field.name, field.missing)
            return field.default
        value = field.shape.read(field.name, node, self._faults)
        return field.default if value is None else value

    def _check_algorithm(self, algorithm: Algorithm) -> None:
        """Refuse the fields that it does not know, and anything but one length of its window."""
        name = algorithm.name.lower()
        for field in FIELDS.values():
            if field.name in self._given and algorithm not in field.only_for:
                known = " or ".join(each.name.lower() for each in sorted(field.only_for))
                message = f"given with algorithm {name}; expected only with {known}"
                self._faults.refuse(self._given[field.name], field.name, message)
        fitting = [f.name for f in FIELDS.values() if f.window and algorithm in f.only_for]
        given = [found for found in self._given if found in fitting]
        if not given:
            choice = f"; expected {' or '.join(fitting)}" if len(fitting) > 1 else ""
            self._faults.refuse(self._node, fitting[0], f"is missing{choice}")
        for other in given[1:]:
            message = f"given beside {given[0]}; expected one of the two"
            self._faults.refuse(self._given[other], other, message)

    def _refuse_beside(self, field: Field[T], other: str) -> None:
        if field.name in self._given:
            message = f"given beside {other}; expected one of the two"
            self._faults.refuse(self._given[field.name], field.name, message)

    def _window(self, algorithm: Algorithm) -> tuple[int, int]:
        """(seconds, nanoseconds); of a calendar window its nominal length."""
        if algorithm is Algorithm.CALENDAR_WINDOW:
            return NOMINAL_SECONDS[self._value(fields.PERIOD)], 0
        if algorithm is Algorithm.CONCURRENCY:
            return divmod(self._value(fields.LEASE), SECOND_NS)
        if fields.WINDOW.name in self._given:
            return divmod(self._value(fields.WINDOW), SECOND_NS)
        before = len(self._faults.problems)
        seconds = self._value(fields.SECONDS)
        node = self._given.get(fields.SECONDS.name)
        fresh = len(self._faults.problems) > before
        if node and not fresh and not seconds and algorithm is not Algorithm.FIXED_WINDOW:
            message = "0; expected at least 1 but with algorithm fixed_window"
            self._faults.refuse(node, "seconds", message)
        return seconds, 0

    def _headers(self, *, shown: bool) -> bool:
        return self._value(fields.HEADERS) if fields.HEADERS.name in self._given else shown
