"""Both lanes answer the same bytes, count the same and leave the same counters."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from _fastpath.calendar import Period
from _fastpath.header_spec import HeaderFamily, HeaderSpec, Refusal
from _fastpath.limit_spec import Algorithm, Fail, OnError
from expressions.cel import Context, compile_expression
from ratelimit.compiled_limit import CompiledLimit
from ratelimit.limit import Limit
from ratelimit.limitador_file import LimitsFile
from tests.ratelimit.host import Host, request

KEYS = ("a", "n", "x.y")
VALUES = ("", "1", "12", "-3", "v1", "GET", "é", "9223372036854775807", "x" * 1100)
REFUSAL = Refusal(b"zu viel", (("x-a", "é"), ("x-a", "")), b"\x0a\x03\x0a\x01a")
METHODS = ("ShouldRateLimit", "CheckRateLimit", "Report")

key = st.sampled_from(KEYS)
index = st.integers(0, 2)
literal = st.sampled_from(["", "1", "v1", "GET", "é", "\\\\", "\\'"]).map(lambda text: f"'{text}'")
field = st.builds("descriptors[{0}]['{1}']".format, index, key)
text = st.one_of(
    field,
    literal,
    st.just("limit.name"),
    st.builds("({0} + {1})".format, field, literal),
    st.builds("(has(descriptors[{0}].a) ? descriptors[{0}].a : 'none')".format, index),
)
number = st.one_of(
    st.sampled_from(["0", "1", "-1", "12", "9223372036854775807", "5u", "1.5"]),
    st.builds("int({0})".format, field),
    st.builds("size({0})".format, field),
    st.builds("double({0})".format, field),
    st.builds("max({0}, int({1}))".format, st.sampled_from(["1", "5"]), field),
)
arithmetic = st.one_of(
    number, st.builds("({0} {1} {2})".format, number, st.sampled_from("+-*/%"), number)
)
atom = st.one_of(
    st.builds("{0} {1} {2}".format, text, st.sampled_from(["==", "!=", "<"]), text),
    st.builds("{0} {1} {2}".format, arithmetic, st.sampled_from(["==", "<", ">="]), arithmetic),
    st.builds(
        "{0}.{1}({2})".format,
        field,
        st.sampled_from(["startsWith", "endsWith", "contains", "matches"]),
        literal,
    ),
    st.builds("{0} in [{1}, {2}]".format, text, text, literal),
    st.builds("'{0}' in descriptors[{1}]".format, key, index),
    st.builds("descriptors.{0}(d, d.n == {1})".format, st.sampled_from(["exists", "all"]), literal),
    st.sampled_from(["true", "size(descriptors) > 1", "42", "unbound == 1", "limit.id == null"]),
)
condition = st.recursive(
    atom,
    lambda inner: st.one_of(
        st.builds("({0} && {1})".format, inner, inner),
        st.builds("({0} || {1})".format, inner, inner),
        st.builds("!({0})".format, inner),
        st.builds("({0} ? {1} : {2})".format, inner, inner, inner),
    ),
    max_leaves=4,
)
variable = st.one_of(text, arithmetic, atom, st.sampled_from(["null", "descriptors", "b'x'"]))


cost = st.one_of(
    st.sampled_from(["0", "3", "-2", "5u", "18446744073709551615u", "-9223372036854775807 - 1"]),
    st.sampled_from(["hits", "hits * 10", "-hits", "hits / 2", "hits * 9223372036854775807"]),
    st.builds("int({0})".format, field),
    st.builds("{0}.size() + hits".format, field),
)


@st.composite
def options(draw: st.DrawFn) -> dict[str, Any]:
    """What a limits file adds to Limitador's fields; now and then all of it."""
    algorithm = draw(st.sampled_from(Algorithm))
    unlimited = draw(st.sampled_from([False, False, False, True]))
    values = {
        "algorithm": algorithm,
        "nanos": draw(st.sampled_from([0, 0, 1_000_000, 400_000_000])),
        "period": draw(st.sampled_from(Period)),
        "time_zone": draw(st.sampled_from(["UTC", "Europe/Berlin"])),
        "burst": draw(st.sampled_from([0, 1, 3, 20])),
        "unlimited": unlimited,
        "shadow": not unlimited and draw(st.booleans()),
        "enabled": draw(st.sampled_from([True, True, True, False])),
        "priority": draw(st.sampled_from([0, 0, 1, -1, 2**31 - 1])),
        "cost": draw(st.none() | cost),
        "count_refused": draw(st.booleans()),
        "fail": draw(st.none() | st.sampled_from(Fail)),
        "headers": draw(st.booleans()),
        "refusal": draw(st.sampled_from([None, Refusal(), REFUSAL])),
    }
    if unlimited:
        values["max_value"] = 2**64 - 1
    if algorithm is not Algorithm.FIXED_WINDOW:
        values["seconds"] = draw(st.sampled_from([1, 60, 86_400]))
    return values


@st.composite
def compiled(draw: st.DrawFn) -> CompiledLimit:
    """A limit with whatever expressions."""
    conditions = sorted(draw(st.sets(condition, max_size=2)))
    variables = sorted(draw(st.sets(variable, max_size=2)))
    return draw(limit_of(conditions, variables, st.just({}) | options()))


@st.composite
def applying(draw: st.DrawFn) -> CompiledLimit:
    """A limit that every request of a descriptor with `a` meets."""
    variables = draw(st.sampled_from([[], ["descriptors[0].a"], ["size(descriptors)"]]))
    return draw(limit_of([], variables, options()))


@st.composite
def limit_of(
    draw: st.DrawFn,
    conditions: Sequence[str],
    variables: Sequence[str],
    more: st.SearchStrategy[dict[str, Any]],
) -> CompiledLimit:
    values: dict[str, Any] = {
        "max_value": draw(st.sampled_from([0, 1, 2, 10, 2**32 + 5, 2**64 - 1])),
        "seconds": draw(st.sampled_from([0, 1, 60, 86_400, 2**64 - 1])),
        **draw(more),
    }
    priced = values.get("cost")
    limit = Limit(
        namespace="ns",
        **values,
        conditions=tuple(conditions),
        variables=tuple(variables),
        name=draw(st.sampled_from([None, "", "one", 'per "user"\r\n', "é\\"])),
        id=draw(st.sampled_from([None, "id"])),
        on_error=draw(st.sampled_from(OnError)),
    )
    return CompiledLimit(
        limit,
        tuple(
            compile_expression(source, Context.LIMIT_CONDITION, strict=False)
            for source in conditions
        ),
        tuple(
            compile_expression(source, Context.LIMIT_VARIABLE, strict=False) for source in variables
        ),
        compile_expression(priced, Context.LIMIT_COST, strict=True) if priced else None,
    )


limits = st.lists(compiled(), max_size=5, unique_by=lambda each: each.limit.digest)
entries = st.dictionaries(key, st.sampled_from(VALUES), max_size=3)
addend = st.none() | st.sampled_from([0, 1, 3, 2**63, 2**64 - 1])
descriptor = st.tuples(entries, addend, st.booleans())


@st.composite
def message(draw: st.DrawFn) -> bytes:
    found = draw(st.lists(descriptor, max_size=3))
    asked = request(
        draw(st.sampled_from(["ns", "ns", "ns", "", "other"])),
        *(each for each, _, _ in found),
        hits=draw(st.sampled_from([0, 0, 1, 2, 2**32 - 1])),
    )
    for made, (_, hits, negative) in zip(asked.descriptors, found, strict=True):
        if hits is not None:
            made.hits_addend.value = hits
        if negative:
            made.MergeFromString(b"\x20\x01")
    return asked.SerializeToString()


asking = st.builds(
    lambda value, hits: request("ns", {"a": value}, hits=hits).SerializeToString(),
    st.sampled_from(["1", "2"]),
    st.sampled_from([0, 1, 2, 5]),
)
pause = st.sampled_from([0, 0, 0.4, 1, 60])
hostile = st.binary(max_size=60) | st.tuples(message(), st.binary(max_size=6)).map(b"".join)
step = st.tuples(st.sampled_from(METHODS), message() | hostile, pause)


families = st.builds(HeaderSpec, st.sampled_from(HeaderFamily), retry_after=st.booleans())


def hosts(limits: Sequence[CompiledLimit], headers: HeaderSpec) -> tuple[Host, Host]:
    native, full = Host(native=True, headers=headers), Host(native=False, headers=headers)
    for host in (native, full):
        host.run(host.active.apply(LimitsFile("f.yaml", tuple(limits))))
    return native, full


def compare(
    limits: Sequence[CompiledLimit],
    headers: HeaderSpec,
    steps: Sequence[tuple[str, bytes, float]],
) -> None:
    native, full = hosts(limits, headers)
    for method, data, seconds in steps:
        assert native.answer(method, data) == full.answer(method, data)
        native.advance(seconds)
        full.advance(seconds)
    assert native.service.decider.totals() == full.service.decider.totals()
    assert native.service.decider.limit_totals() == full.service.decider.limit_totals()
    assert native.listed() == full.listed()


@settings(max_examples=50, deadline=None)
@given(limits, families, st.lists(step, max_size=12))
def test_lanes_agree_on_anything(
    limits: list[CompiledLimit], headers: HeaderSpec, steps: list[tuple[str, bytes, float]]
) -> None:
    compare(limits, headers, steps)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(applying(), min_size=2, max_size=6, unique_by=lambda each: each.limit.digest),
    families,
    st.lists(st.tuples(st.sampled_from(METHODS), asking, pause), min_size=4, max_size=12),
)
def test_lanes_agree_where_every_limit_applies(
    limits: list[CompiledLimit], headers: HeaderSpec, steps: list[tuple[str, bytes, float]]
) -> None:
    compare(limits, headers, steps)


@pytest.mark.slow
@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(limits, families, st.lists(step, max_size=12))
def test_lanes_agree_on_much_more(
    limits: list[CompiledLimit], headers: HeaderSpec, steps: list[tuple[str, bytes, float]]
) -> None:
    compare(limits, headers, steps)
