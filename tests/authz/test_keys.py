"""API keys follow their Secrets: added, changed, taken away, shared."""

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from _fastpath.errors import IdentityTableFull
from _fastpath.identity import IdentityTable
from authz.key_form import KeyForm
from authz.keys import KeyRing
from authz.secret import read_secret
from authz.selector_match import LabelSelector, Requirement

TOYS = LabelSelector(frozenset({("app", "toys")}), ())
MANAGED = {"authorino.kuadrant.io/managed-by": "authorino"}


def secret(name: str, key: str, namespace: str = "shop", **labels: str) -> Any:
    metadata = {"name": name, "labels": {"app": "toys", **labels}}
    return read_secret(namespace, name, {"metadata": metadata, "stringData": {"api_key": key}})


class Ring:
    """A key ring with one set, asked as a request would."""

    def __init__(self, namespace: str | None = "shop") -> None:
        self.table = IdentityTable()
        self.ring = KeyRing(self.table)
        self.number = self.ring.use(namespace, TOYS)

    def who(self, key: str) -> str | None:
        found: Any = self.table.find(self.number, key.encode(), 0)
        return None if found is None else found.to_python()["metadata"]["name"]


def test_key_works_until_its_secret_goes() -> None:
    ring = Ring()
    ring.ring.put(secret("alice", "k1"))
    assert ring.who("k1") == "alice"
    assert ring.who("k2") is None
    ring.ring.forget(("shop", "alice"))
    assert ring.who("k1") is None
    assert len(ring.table) == 0


def test_changed_key_replaces_the_old_one() -> None:
    ring = Ring()
    ring.ring.put(secret("alice", "k1"))
    ring.ring.put(secret("alice", "k2"))
    assert (ring.who("k1"), ring.who("k2")) == (None, "alice")


def test_changed_labels_refresh_the_identity_or_revoke_it() -> None:
    ring = Ring()
    ring.ring.put(secret("alice", "k1"))
    ring.ring.put(secret("alice", "k1", tier="gold"))
    found: Any = ring.table.find(ring.number, b"k1", 0)
    assert found.to_python()["metadata"]["labels"]["tier"] == "gold"
    ring.ring.put(secret("alice", "k1", app="other"))
    assert ring.who("k1") is None


def test_lost_managed_by_label_revokes() -> None:
    ring = Ring()
    ring.ring.put(secret("alice", "k1", **MANAGED))
    ring.ring.put(secret("alice", "k1"))
    assert ring.who("k1") is None
    ring.ring.put(secret("alice", "k1", **MANAGED))
    assert ring.who("k1") == "alice"


def test_same_key_in_two_secrets_survives_the_loss_of_one() -> None:
    ring = Ring()
    ring.ring.put(secret("alice", "k1"))
    ring.ring.put(secret("bob", "k1"))
    assert ring.who("k1") == "bob"
    ring.ring.forget(("shop", "bob"))
    assert ring.who("k1") == "alice"


def test_other_namespace_needs_all_namespaces() -> None:
    for namespace, expected in (("shop", None), (None, "carol")):
        ring = Ring(namespace)
        ring.ring.put(secret("carol", "k3", namespace="elsewhere"))
        assert ring.who("k3") == expected


def test_set_sees_secrets_that_came_before_it_and_ends_with_its_last_use() -> None:
    table = IdentityTable()
    ring = KeyRing(table)
    ring.put(secret("alice", "k1"))
    number = ring.use("shop", TOYS)
    assert ring.use("shop", TOYS) == number
    assert table.find(number, b"k1", 0) is not None
    ring.leave("shop", TOYS)
    assert table.find(number, b"k1", 0) is not None
    ring.leave("shop", TOYS)
    assert table.find(number, b"k1", 0) is None


def test_secret_is_read_as_the_api_server_would() -> None:
    document = {
        "metadata": {"name": "a"},
        "data": {"api_key": base64.b64encode(b"old").decode(), "x": "eA=="},
        "stringData": {"api_key": "new"},
    }
    found = read_secret("shop", "a", document)
    assert found.values["api_key"] == b"new"
    identity: Any = found.identity.to_python()
    assert identity["data"] == {"api_key": "bmV3", "x": "eA=="}
    assert identity["metadata"]["namespace"] == "shop"
    assert "new" not in repr(found)


@pytest.mark.parametrize(
    "document",
    [
        {"metadata": {"name": "a"}, "data": {"api_key": "%%"}},
        {"metadata": {"name": "a"}, "data": {"api_key": 5}},
        {"metadata": {"name": "a"}, "data": [1]},
        {"metadata": {"name": "a", "labels": {"a": 1}}, "stringData": {"api_key": "k"}},
    ],
)
def test_malformed_secret_is_an_error_without_its_value(document: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="expected"):
        read_secret("shop", "a", document)


@pytest.mark.parametrize("data", [{}, {"api_key": ""}, {"other": "x"}])
def test_secret_without_key_has_none(data: dict[str, str]) -> None:
    found = read_secret("shop", "a", {"metadata": {"name": "a"}, "stringData": data})
    assert list(KeyForm().keys(found)) == []


def test_key_is_replaced_in_a_full_table() -> None:
    table = IdentityTable(1)
    ring = KeyRing(table)
    number = ring.use("shop", TOYS)
    ring.put(secret("alice", "k1"))
    ring.put(secret("alice", "k2"))
    assert table.find(number, b"k1", 0) is None
    assert table.find(number, b"k2", 0) is not None


def test_secret_that_does_not_fit_loses_its_old_key_too() -> None:
    table = IdentityTable(2)
    ring = KeyRing(table)
    gold = LabelSelector(frozenset({("tier", "gold")}), ())
    number = ring.use("shop", TOYS)
    ring.use("shop", gold)
    ring.put(secret("alice", "k1"))
    ring.put(secret("bob", "k2"))
    with pytest.raises(IdentityTableFull):
        ring.put(secret("alice", "k3", tier="gold"))
    assert [table.find(number, key, 0) is None for key in (b"k1", b"k2", b"k3")] == [
        True,
        False,
        True,
    ]
    assert len(table) == 1


def test_set_that_does_not_fit_is_none() -> None:
    table = IdentityTable(1)
    ring = KeyRing(table)
    ring.put(secret("alice", "k1"))
    ring.put(secret("bob", "k2"))
    with pytest.raises(IdentityTableFull):
        ring.use("shop", TOYS)
    assert len(table) == 0
    ring.forget(("shop", "bob"))
    assert table.find(ring.use("shop", TOYS), b"k1", 0) is not None


SELECTORS = [
    LabelSelector(frozenset(), ()),
    LabelSelector(frozenset({("app", "toys")}), ()),
    LabelSelector(frozenset({("app", "toys"), ("tier", "gold")}), ()),
    LabelSelector(frozenset(), (Requirement("tier", "NotIn", frozenset({"gold"})),)),
]
PLACES = [(namespace, selector) for selector in SELECTORS for namespace in ("shop", None)]
STEPS = st.lists(
    st.one_of(
        st.tuples(
            st.just("put"),
            st.sampled_from(["a", "b", "c"]),
            st.sampled_from(["k1", "k2"]),
            st.sampled_from(["toys", "books"]),
            st.sampled_from(["gold", "lead"]),
        ),
        st.tuples(st.just("forget"), st.sampled_from(["a", "b", "c"])),
        st.tuples(st.just("use"), st.integers(0, len(PLACES) - 1)),
        st.tuples(st.just("leave"), st.integers(0, len(PLACES) - 1)),
    ),
    max_size=30,
)


@given(STEPS)
def test_every_set_holds_what_its_selector_matches(steps: list[tuple[Any, ...]]) -> None:
    table = IdentityTable()
    ring = KeyRing(table)
    secrets: dict[str, Any] = {}
    used: dict[int, int] = {}
    for action, *rest in steps:
        if action == "put":
            name, key, app, tier = rest
            secrets.pop(name, None)
            secrets[name] = secret(name, key, app=app, tier=tier)
            ring.put(secrets[name])
        elif action == "forget":
            secrets.pop(rest[0], None)
            ring.forget(("shop", rest[0]))
        elif action == "use" and rest[0] not in used:
            used[rest[0]] = ring.use(*PLACES[rest[0]])
        elif action == "leave" and rest[0] in used:
            del used[rest[0]]
            ring.leave(*PLACES[rest[0]])
    live = 0
    for at, number in used.items():
        wanted = {
            s.values["api_key"]: s.name for s in secrets.values() if PLACES[at][1].matches(s.labels)
        }
        live += len(wanted)
        for key in (b"k1", b"k2"):
            found: Any = table.find(number, key, 0)
            name = None if found is None else found.to_python()["metadata"]["name"]
            assert name == wanted.get(key)
    assert len(table) == live


def test_line_ends_in_base64_are_skipped() -> None:
    found = read_secret("shop", "a", {"metadata": {"name": "a"}, "data": {"api_key": "bmV\r\n3\n"}})
    assert found.values["api_key"] == b"new"
