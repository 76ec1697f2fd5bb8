"""The API key table: lookup, replacement, revocation, its bound, and readers beside a writer."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from _fastpath.document import NativeDocument
from _fastpath.errors import IdentityTableFull
from _fastpath.identity import IdentityTable


def document(name: str) -> NativeDocument:
    return NativeDocument({"name": name})


def name_of(table: IdentityTable, key_set: int, key: bytes) -> object:
    found = table.find(key_set, key, 0)
    return None if found is None else found.to_python()


def test_key_is_found_in_its_own_set_only() -> None:
    table = IdentityTable()
    first, second = table.key_set("a"), table.key_set("b")
    table.put(first, b"key", document("alice"))
    assert name_of(table, first, b"key") == {"name": "alice"}
    assert table.find(second, b"key", 0) is None
    assert table.find(first, b"Key", 0) is None
    assert table.find(first, b"", 0) is None


def test_set_keeps_its_id() -> None:
    table = IdentityTable()
    assert table.key_set("a") == table.key_set("a") != table.key_set("b")


def test_put_again_replaces_the_identity() -> None:
    table = IdentityTable()
    digest = table.put(0, b"key", document("old"))
    assert table.put(0, b"key", document("new")) == digest
    assert name_of(table, 0, b"key") == {"name": "new"}
    assert len(table) == 1


def test_revoked_key_is_gone_at_once() -> None:
    table = IdentityTable()
    digest = table.put(0, b"key", document("alice"))
    held = table.find(0, b"key", 0)
    assert table.revoke(digest) is True
    assert table.find(0, b"key", 0) is None
    assert table.revoke(digest) is False
    assert held is not None
    assert held.to_python() == {"name": "alice"}


def test_table_at_its_bound_refuses_new_keys_but_replaces_known_ones() -> None:
    table = IdentityTable(2)
    digest = table.put(0, b"1", document("1"))
    table.put(0, b"2", document("2"))
    with pytest.raises(IdentityTableFull):
        table.put(0, b"3", document("3"))
    table.put(0, b"2", document("two"))
    table.revoke(digest)
    table.put(0, b"3", document("3"))
    assert len(table) == 2


@pytest.mark.parametrize("digest", [b"", b"x" * 15, b"x" * 17])
def test_digest_of_another_length_is_refused(digest: bytes) -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        IdentityTable().revoke(digest)


def test_empty_key_is_refused() -> None:
    with pytest.raises(ValueError, match="empty"):
        IdentityTable().put(0, b"", document("x"))


def test_digests_differ_between_tables() -> None:
    assert IdentityTable().put(0, b"key", document("x")) != IdentityTable().put(
        0, b"key", document("x")
    )


keys = st.tuples(st.integers(0, 2), st.sampled_from([b"a", b"b", b"ab", b"\0", b"a" * 9]))


@given(st.lists(st.tuples(st.booleans(), keys), max_size=60))
def test_random_changes_equal_a_dict(changes: list[tuple[bool, tuple[int, bytes]]]) -> None:
    table = IdentityTable()
    model: dict[tuple[int, bytes], tuple[bytes, str]] = {}
    for number, (add, key) in enumerate(changes):
        if add:
            model[key] = (table.put(*key, document(str(number))), str(number))
        elif key in model:
            assert table.revoke(model.pop(key)[0])
        assert len(table) == len(model)
    for key, (_, name) in model.items():
        assert name_of(table, *key) == {"name": name}


def test_thousands_of_keys_are_found_after_others_are_revoked() -> None:
    table = IdentityTable()
    digests = [table.put(0, b"%d" % n, document(str(n))) for n in range(5000)]
    for n in range(0, 5000, 2):
        table.revoke(digests[n])
    found = [n for n in range(5000) if table.find(0, b"%d" % n, 0) is not None]
    assert found == list(range(1, 5000, 2))


def test_readers_see_whole_identities_while_keys_change() -> None:
    table = IdentityTable()
    stop = threading.Event()
    wrong: list[object] = []

    def read() -> None:
        while not stop.is_set():
            seen = name_of(table, 0, b"key")
            if seen not in (None, {"name": "a"}, {"name": "b"}):
                wrong.append(seen)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for n in range(2000):
        digest = table.put(0, b"key", document("ab"[n % 2]))
        if n % 3 == 0:
            table.revoke(digest)
    stop.set()
    for reader in readers:
        reader.join()
    assert wrong == []
