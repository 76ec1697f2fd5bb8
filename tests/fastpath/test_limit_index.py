"""Which limits a request looks at, and what a changed index shares with the one before."""

import pytest
from envoy.service.ratelimit.v3 import rls_pb2
from hypothesis import given, settings
from hypothesis import strategies as st

from _fastpath.cells import Series
from _fastpath.errors import WireError
from _fastpath.handler import Unit
from _fastpath.limit_index import candidates, limit_index, limit_set
from _fastpath.limit_spec import LimitSpec
from tests.fastpath.quotas import fixed

Test = tuple[int, str, str]


def digest(number: int) -> bytes:
    return number.to_bytes(16, "big")


def request(domain: str, *descriptors: list[tuple[str, str]]) -> bytes:
    message = rls_pb2.RateLimitRequest(domain=domain)
    for entries in descriptors:
        message.descriptors.add(entries=[{"key": k, "value": v} for k, v in entries])
    return message.SerializeToString()


def index_of(tests: list[tuple[Test, ...]], namespace: str = "ns") -> Unit:
    specs = [LimitSpec(digest(n), fixed(1, 1), equalities=t) for n, t in enumerate(tests)]
    return limit_index({namespace: limit_set(namespace, specs, Series(1))})


def test_limit_is_met_when_all_its_tests_hold() -> None:
    index = index_of([((0, "m", "GET"), (1, "u", "ann")), ()])
    both = candidates(index, request("ns", [("m", "GET")], [("u", "ann")]))
    assert sorted(both) == [digest(0), digest(1)]
    for descriptors in (
        [[("m", "GET")]],
        [[("m", "GET")], [("u", "bob")]],
        [[("u", "ann")], [("m", "GET")]],
        [],
    ):
        assert candidates(index, request("ns", *descriptors)) == [digest(1)]


def test_last_value_of_a_repeated_key_counts() -> None:
    index = index_of([((0, "k", "first"),), ((0, "k", "last"),)])
    assert candidates(index, request("ns", [("k", "first"), ("k", "last")])) == [digest(1)]
    many = [(f"other{n}", "x") for n in range(20)]
    entries = [("k", "first"), *many, ("k", "last")]
    assert candidates(index, request("ns", entries)) == [digest(1)]


def test_repeated_entry_meets_its_limit_once() -> None:
    index = index_of([((0, "k", "v"),)])
    assert candidates(index, request("ns", [("k", "v")] * 12)) == [digest(0)]


def test_unknown_namespace_has_no_candidates() -> None:
    assert candidates(index_of([()]), request("other")) == []


def test_malformed_request_is_refused() -> None:
    with pytest.raises(WireError):
        candidates(index_of([()]), b"\xff")


keys, values = st.sampled_from(["a", "b", "c", ""]), st.sampled_from(["1", "2", ""])
entries = st.lists(st.tuples(keys, values), max_size=12)
test_lists = st.lists(
    st.lists(st.tuples(st.integers(0, 2), keys, values), max_size=3).map(tuple), max_size=30
)


@given(test_lists, st.lists(entries, max_size=3))
@settings(deadline=None)
def test_candidates_are_exactly_the_limits_whose_tests_hold(
    tests: list[tuple[Test, ...]], descriptors: list[list[tuple[str, str]]]
) -> None:
    maps = [dict(entries) for entries in descriptors]
    expected = [
        digest(number)
        for number, needed in enumerate(tests)
        if all(i < len(maps) and maps[i].get(key) == value for i, key, value in needed)
    ]
    assert sorted(candidates(index_of(tests), request("ns", *descriptors))) == expected


def test_change_replaces_adds_and_removes_but_leaves_the_old_index_alone() -> None:
    series = Series(1)

    def one(namespace: str, number: int) -> Unit:
        return limit_set(namespace, [LimitSpec(digest(number), fixed(1, 1))], series)

    first = limit_index({f"ns{n}": one(f"ns{n}", n) for n in range(600)})
    second = limit_index({"ns1": one("ns1", 1001), "ns2": None, "new": one("new", 7)}, first)
    expected = {"ns0": [digest(0)], "ns1": [digest(1001)], "ns2": [], "new": [digest(7)]}
    for name, found in expected.items():
        assert candidates(second, request(name)) == found
    for number in range(3, 600):
        assert candidates(second, request(f"ns{number}")) == [digest(number)]
    del second
    assert candidates(first, request("ns1")) == [digest(1)]
    assert candidates(first, request("ns2")) == [digest(2)]
    assert candidates(first, request("new")) == []


@pytest.mark.parametrize(
    "spec",
    [
        LimitSpec(b"short", fixed(1, 1)),
        LimitSpec(digest(0), fixed(-1, 1)),
        LimitSpec(digest(0), fixed(2**64, 1)),
        LimitSpec(digest(0), fixed(1, -1)),
        LimitSpec(digest(0), fixed(1, 2**63)),
        LimitSpec(digest(0), fixed(1, 1), descriptor=-1),
        LimitSpec(digest(0), fixed(1, 1), conditions=(Unit(),)),
        LimitSpec(digest(0), fixed(1, 1), cost=(Unit(),)),
        LimitSpec(digest(0), fixed(1, 1), cost=(None, None)),
        LimitSpec(digest(0), fixed(1, 1), priority=2**31),
        LimitSpec(digest(0), fixed(1, 1), priority=-(2**31) - 1),
    ],
)
def test_spec_out_of_range_is_refused(spec: LimitSpec) -> None:
    with pytest.raises(ValueError):
        limit_set("ns", [spec], Series(1))


def test_digest_used_twice_is_refused() -> None:
    with pytest.raises(ValueError):
        limit_set(
            "ns", [LimitSpec(digest(0), fixed(1, 1)), LimitSpec(digest(0), fixed(2, 1))], Series(1)
        )


def test_units_of_another_kind_are_refused() -> None:
    limits = limit_set("ns", [], Series(1))
    with pytest.raises(ValueError):
        limit_index({"ns": Unit()})
    with pytest.raises(ValueError):
        limit_index({}, limits)
    with pytest.raises(ValueError):
        limit_index({"other": limits})
