"""Host lookup: the rules one by one, and random edits against a brute-force model."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from _fastpath.host_index import HostIndex, Refusal, normalize_host


def index_of(*patterns: str) -> HostIndex:
    """Each pattern owned by an id of its own name."""
    return HostIndex().edit({pattern: Refusal(pattern, "r") for pattern in patterns})


@pytest.mark.parametrize(
    ("patterns", "host", "owner"),
    [
        (["a.com"], "a.com", "a.com"),
        (["a.com"], "b.com", None),
        (["a.com"], "x.a.com", None),
        (["a.com"], "com", None),
        (["A.com"], "a.COM", "A.com"),
        (["a.com"], "a.com.", "a.com"),
        (["a.com."], "a.com", "a.com."),
        (["a.com"], "a.com.:80", "a.com"),
        (["a.com"], "a.com:80", "a.com"),
        (["a.com:80"], "a.com:80", "a.com:80"),
        (["a.com:80"], "a.com", None),
        (["a.com:80", "a.com"], "a.com:80", "a.com:80"),
        (["a.com:80", "a.com"], "a.com:81", "a.com"),
        (["*", "a.com"], "a.com:80", "a.com"),
        (["*"], "", "*"),
        (["*"], "anything.at.all:1", "*"),
        (["*.a.com"], "x.a.com", "*.a.com"),
        (["*.a.com"], "y.x.a.com", "*.a.com"),
        (["*.a.com"], "a.com", "*.a.com"),
        (["*.a.com"], "xa.com", None),
        (["*.a.com"], "x.a.com:443", "*.a.com"),
        (["*.a.com:443", "*.a.com"], "x.a.com:443", "*.a.com:443"),
        (["*.a.com:443", "*.a.com"], "x.a.com", "*.a.com"),
        (["*.a.com:443", "x.a.com"], "x.a.com:443", "x.a.com"),
        (["*.a.com", "x.a.com"], "x.a.com", "x.a.com"),
        (["*.a.com", "*.x.a.com"], "y.x.a.com", "*.x.a.com"),
        (["*.a.com", "y.x.a.com"], "z.x.a.com", "*.a.com"),
        (["a.*.com"], "a.b.com", None),
        (["a.*.com"], "a.*.com", "a.*.com"),
        (["*.a.com", "*"], "b.com", "*"),
        (["[2001:db8::1]"], "[2001:db8::1]", "[2001:db8::1]"),
        (["[2001:db8::1]"], "[2001:DB8::1]:8080", "[2001:db8::1]"),
        (["2001:db8::1"], "2001:db8::1", "2001:db8::1"),
        (["*"], "[::1", "*"),
        ([], "a.com", None),
    ],
)
def test_lookup(patterns: list[str], host: str, owner: str | None) -> None:
    assert index_of(*patterns).find(host) == owner


def test_tree_of_upstreams_unit_test() -> None:
    owners = {
        "*.io": "1",
        "talker-api.nip.io": "2",
        "*.pets.com": "2",
        "api.acme.com": "3",
        "*.acme.com": "4",
    }
    index = HostIndex().edit({host: Refusal(id, "r") for host, id in owners.items()})
    found = {h: index.find(h) for h in ("dogs.pets.com", "www.acme.com", "foo.nip.io", "foo.org")}
    assert found == {
        "dogs.pets.com": "2",
        "www.acme.com": "4",
        "foo.nip.io": "1",
        "foo.org": None,
    }
    index = index.edit({}, ["talker-api.nip.io", "*.pets.com"])
    assert index.find("talker-api.nip.io") == "1"
    assert index.edit({}, ["api.acme.com"]).find("api.acme.com") == "4"


def test_edit_leaves_the_index_before_it_as_it_was() -> None:
    before = index_of("a.com", "*.b.com")
    after = before.edit({"c.com": Refusal("c", "r")}, ["a.com"])
    assert (before.find("a.com"), before.find("c.com"), len(before)) == ("a.com", None, 2)
    assert (after.find("a.com"), after.find("c.com"), len(after)) == (None, "c", 2)


def test_pattern_past_the_bounds_is_refused_and_nothing_changes() -> None:
    index = index_of("a.com")
    for pattern in ("x" * 513, "." * 130):
        with pytest.raises(ValueError, match="too long"):
            index.edit({"b.com": Refusal("b", "r"), pattern: Refusal("x", "r")})
    assert index.find("b.com") is None


def test_long_host_is_looked_up_in_linear_time() -> None:
    assert index_of("*.a.com", "*").find("x." * 30_000 + "a.com") == "*.a.com"


def test_edit_refuses_what_is_no_owner() -> None:
    with pytest.raises(TypeError, match="a Rule or a Refusal"):
        HostIndex().edit({"a.com": "rule"})  # type: ignore[dict-item]


labels = st.sampled_from(["a", "b", "*", "com", ""])
hosts = st.lists(labels, min_size=1, max_size=4).map(".".join)
ported = st.tuples(hosts, st.sampled_from(["", "", ":80", "."])).map("".join)


def without_port(host: str) -> str:
    return host.partition(":")[0]


def brute_force(patterns: dict[str, str], host: str) -> str | None:
    """The lookup of the docstring, over a plain dict of normalized patterns."""
    host = normalize_host(host)
    bare = without_port(host)
    for name in (host, bare):
        if name in patterns:
            return patterns[name]
    for name in (host, bare) if host != bare else (bare,):
        parts = name.split(".")
        for start in range(len(parts)):
            found = patterns.get(".".join(["*", *parts[start:]]))
            if found is not None:
                return found
    return patterns.get("*")


@given(st.lists(st.tuples(st.booleans(), ported), max_size=30), st.lists(ported, max_size=10))
def test_random_edits_equal_brute_force(edits: list[tuple[bool, str]], lookups: list[str]) -> None:
    index = HostIndex()
    model: dict[str, str] = {}
    for number, (add, pattern) in enumerate(edits):
        if add:
            index = index.edit({pattern: Refusal(str(number), "r")})
            model[normalize_host(pattern)] = str(number)
        else:
            index = index.edit({}, [pattern])
            model.pop(normalize_host(pattern), None)
        assert len(index) == len(model)
    for host in lookups + [pattern for _, pattern in edits]:
        assert index.find(host) == brute_force(model, host)


def test_many_siblings_are_all_found_and_removed() -> None:
    names = [f"h{number}.example.com" for number in range(3000)]
    index = index_of(*names)
    assert [index.find(name) for name in names] == names
    assert len(index.edit({}, names)) == 0
    assert len(index) == 3000
