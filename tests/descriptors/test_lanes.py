"""Both lanes answer the same bytes, count the same and leave the same counters."""

from collections.abc import Sequence

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ratelimit.descriptors.domain_file import DomainFile
from ratelimit.descriptors.limit import DescriptorLimit, Unit
from ratelimit.descriptors.options import DescriptorOptions, HeaderNames
from ratelimit.descriptors.tree import Node
from tests.descriptors.host import Host, asked, descriptor

KEYS = ("a", "a_b", "b", "é", "*")
VALUES = ("", "x", "b_x", "xx", "x*", "*", "*x", "x*x*", "é*", "y" * 40, "b")
NAMES = ("", "one", "two")

key = st.sampled_from(KEYS)
value = st.sampled_from(VALUES)
flag = st.booleans()


@st.composite
def limit(draw: st.DrawFn) -> DescriptorLimit:
    unlimited = draw(st.sampled_from([False, False, False, True]))
    return DescriptorLimit(
        requests=draw(st.sampled_from([0, 1, 2, 5, 10, 2**32 - 1])),
        unit=Unit.UNKNOWN if unlimited else draw(st.sampled_from([u for u in Unit if u])),
        multiplier=draw(st.sampled_from([1, 1, 1, 3])),
        unlimited=unlimited,
        name=draw(st.sampled_from(NAMES)),
        replaces=tuple(draw(st.sets(st.sampled_from(NAMES[1:]), max_size=1))),
        shadow_mode=draw(flag),
        quota_mode=draw(flag),
        detailed_metric=draw(flag),
    )


def unique(nodes: Sequence[Node]) -> tuple[Node, ...]:
    return tuple({node.composite: node for node in nodes}.values())


@st.composite
def node(draw: st.DrawFn, depth: int = 2) -> Node:
    key_of, value_of = draw(key), draw(value)
    return Node(
        key_of,
        value_of,
        draw(st.none() | limit()),
        unique(draw(st.lists(node(depth - 1), max_size=3))) if depth else (),
        draw(flag),
        "*" in key_of + value_of and draw(flag),
    )


nodes = st.lists(node(), max_size=6).map(unique)
entries = st.lists(st.tuples(key, value), max_size=3)
override = st.none() | st.tuples(
    st.sampled_from([0, 1, 3]), st.sampled_from(["UNKNOWN", "SECOND", "HOUR", "WEEK", "YEAR"])
)
addend = st.none() | st.sampled_from([0, 1, 3, 2**63, 2**64 - 1])


@st.composite
def message(draw: st.DrawFn) -> bytes:
    made = []
    for each, hits, limited, negative, multiplier in draw(
        st.lists(st.tuples(entries, addend, override, flag, flag), max_size=4)
    ):
        one = descriptor(each, hits=hits, limit=limited)
        if negative:
            one.descriptors[0].MergeFromString(b"\x20\x01")
        if limited and multiplier:
            one.descriptors[0].limit.MergeFromString(b"\x1a\x02\x08\x02")
        made.append(one)
    domain = draw(st.sampled_from(["d", "d", "d", "", "other"]))
    return asked(domain, *made, hits=draw(st.sampled_from([0, 0, 1, 2]))).SerializeToString()


options = st.builds(
    DescriptorOptions,
    headers=st.none() | st.just(HeaderNames()),
    shadow=flag,
    quota=flag,
    metadata=st.sampled_from([False, False, False, True]),
    stop_when_over=flag,
    near_ratio=st.sampled_from([0.8, 0.5, 0.0, 1.0]),
)
hostile = st.binary(max_size=60) | st.tuples(message(), st.binary(max_size=6)).map(b"".join)
step = st.tuples(message() | hostile, st.sampled_from([0, 0, 0.4, 1, 3600]))


def compare(
    tree: Sequence[Node], chosen: DescriptorOptions, steps: Sequence[tuple[bytes, float]]
) -> None:
    native, full = Host(True, chosen), Host(False, chosen)
    for host in (native, full):
        host.active.apply(host.active.build([DomainFile("f.yaml", "d", tuple(tree))]))
    for data, seconds in steps:
        assert native.answer(data) == full.answer(data)
        native.advance(seconds)
        full.advance(seconds)
    assert native.service.decider.totals() == full.service.decider.totals()
    assert native.listed() == full.listed()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(nodes, options, st.lists(step, max_size=10))
def test_lanes_agree_on_anything(
    tree: tuple[Node, ...], chosen: DescriptorOptions, steps: list[tuple[bytes, float]]
) -> None:
    compare(tree, chosen, steps)


def test_most_requests_stay_native() -> None:
    host = Host(True)
    host.load("domain: d\ndescriptors: [{key: a, rate_limit: {unit: day, requests_per_unit: 1}}]")
    host.should("d", descriptor({"a": "x"}), descriptor({"o": "x"}, limit=(1, "DAY")))
    host.should("unknown", descriptor({"a": "x"}))
    assert host.outcomes == ["answer", "answer"]
