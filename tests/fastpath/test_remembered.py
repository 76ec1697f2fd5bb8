"""The table of remembered results: scopes, expiry, its bounds, and readers beside a writer."""

import threading
from collections import OrderedDict
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from _fastpath.document import NativeDocument
from _fastpath.remembered import RememberedTable

NOW = 1_790_000_000 * 10**9
LATER = NOW + 10**9


def document(name: str) -> NativeDocument:
    return NativeDocument({"name": name})


def found(table: RememberedTable, scope: int, key: bytes, wall_ns: int = NOW) -> object:
    value = table.find(scope, key, wall_ns)
    return None if value is None else value.to_python()


def test_result_is_found_in_its_own_scope_only() -> None:
    table = RememberedTable()
    first, second = table.scope(), table.scope()
    assert first != second
    assert table.put(first, b"key", document("a"), LATER)
    assert found(table, first, b"key") == {"name": "a"}
    assert found(table, second, b"key") is None
    assert found(table, first, b"Key") is None
    assert found(table, first, b"") is None


@pytest.mark.parametrize("size", [63, 64, 65, 79, 80, 81, 200, 1000])
def test_every_byte_of_a_long_key_counts(size: int) -> None:
    table = RememberedTable()
    key = bytes(n % 251 for n in range(size))
    table.put(1, key, document("a"), LATER)
    assert found(table, 1, key) == {"name": "a"}
    others = [key[:n] + bytes([key[n] ^ 1]) + key[n + 1 :] for n in range(size)]
    others += [key[:-1], key + b"\0", key[size // 2 :] + key[: size // 2]]
    assert [other for other in others if found(table, 1, other)] == []
    assert found(table, 2, key) is None


def test_result_is_gone_at_its_expiry() -> None:
    table = RememberedTable()
    table.put(1, b"key", document("a"), LATER)
    assert found(table, 1, b"key", LATER - 1) == {"name": "a"}
    assert found(table, 1, b"key", LATER) is None


def test_put_again_replaces_value_and_expiry() -> None:
    table = RememberedTable()
    table.put(1, b"key", document("old"), LATER)
    held = table.find(1, b"key", NOW)
    table.put(1, b"key", document("new"), LATER + 1)
    assert found(table, 1, b"key", LATER) == {"name": "new"}
    assert len(table) == 1
    assert held is not None
    assert held.to_python() == {"name": "old"}


def test_drop_forgets_one_scope_at_once() -> None:
    table = RememberedTable()
    for n in range(1000):
        table.put(n % 2, b"%d" % n, document(str(n)), LATER)
    table.drop(0)
    assert [n for n in range(1000) if found(table, n % 2, b"%d" % n)] == list(range(1, 1000, 2))
    assert len(table) == 500
    table.put(0, b"0", document("again"), LATER)
    assert found(table, 0, b"0") == {"name": "again"}


def test_bytes_are_bounded_and_given_back() -> None:
    table = RememberedTable(max_entries=1000, max_bytes=100_000)
    for n in range(1000):
        table.put(1, b"%d" % n, document("x" * 5000), LATER)
        assert table.bytes_held <= 100_000
    assert 10 < len(table) < 20
    table.drop(1)
    assert (len(table), table.bytes_held) == (0, 0)


def test_value_that_is_too_large_is_not_held_and_replaces_nothing_by_stale() -> None:
    table = RememberedTable(max_entries=10, max_bytes=1000)
    assert table.put(1, b"key", document("small"), LATER)
    assert not table.put(1, b"key", document("x" * 2000), LATER)
    assert found(table, 1, b"key") is None
    assert (len(table), table.bytes_held) == (0, 0)


@pytest.mark.parametrize("bounds", [(0, 1 << 20), (10, 0), (0, 0)])
def test_table_without_room_holds_nothing(bounds: tuple[int, int]) -> None:
    table = RememberedTable(*bounds)
    assert not table.put(1, b"key", document("a"), LATER)
    assert found(table, 1, b"key") is None


def test_many_entries_stay_within_the_bound_of_a_large_table() -> None:
    table = RememberedTable(max_entries=5000)
    for n in range(20_000):
        table.put(1, b"%d" % n, document("x"), LATER)
    assert 4500 < len(table) <= 5000
    assert found(table, 1, b"19999") == {"name": "x"}


class Model:
    """A dictionary in order of last use."""

    def __init__(self, bound: int) -> None:
        self.bound = bound
        self.entries: OrderedDict[tuple[int, bytes], tuple[str, int]] = OrderedDict()

    def put(self, scope: int, key: bytes, name: str, expires: int) -> None:
        self.entries.pop((scope, key), None)
        if len(self.entries) == self.bound:
            self.entries.popitem(last=False)
        self.entries[scope, key] = name, expires

    def find(self, scope: int, key: bytes, now: int) -> object:
        name, expires = self.entries.get((scope, key), ("", now))
        if expires <= now:
            return None
        self.entries.move_to_end((scope, key))
        return {"name": name}

    def drop(self, scope: int) -> None:
        for entry in [entry for entry in self.entries if entry[0] == scope]:
            del self.entries[entry]


steps = st.tuples(
    st.sampled_from(["put", "put", "find", "find", "drop"]),
    st.integers(1, 2),
    st.sampled_from([b"", b"a", b"b", b"ab", b"\0", b"a" * 9]),
    st.integers(0, 5),
)


@given(st.integers(1, 5), st.lists(steps, max_size=80))
def test_random_steps_equal_a_dict_in_order_of_use(
    bound: int, taken: list[tuple[str, int, bytes, int]]
) -> None:
    table, model = RememberedTable(bound), Model(bound)
    for number, (step, scope, key, time) in enumerate(taken):
        if step == "put":
            assert table.put(scope, key, document(str(number)), time)
            model.put(scope, key, str(number), time)
        elif step == "find":
            assert found(table, scope, key, time) == model.find(scope, key, time)
        else:
            table.drop(scope)
            model.drop(scope)
        assert len(table) == len(model.entries)


def run_beside(work: Callable[[], None], readers: list[Callable[[], None]]) -> None:
    stop = threading.Event()

    def loop(read: Callable[[], None]) -> None:
        while not stop.is_set():
            read()

    threads = [threading.Thread(target=loop, args=(read,)) for read in readers]
    for thread in threads:
        thread.start()
    work()
    stop.set()
    for thread in threads:
        thread.join()


def test_readers_see_whole_results_while_they_change() -> None:
    table = RememberedTable(4)
    wrong: list[object] = []

    def read() -> None:
        seen = found(table, 1, b"key")
        if seen not in (None, {"name": "a"}, {"name": "b"}):
            wrong.append(seen)

    def change() -> None:
        for n in range(2000):
            table.put(1, b"key", document("ab"[n % 2]), LATER)
            table.put(1, b"%d" % n, document("other"), LATER)
            if n % 3 == 0:
                table.drop(1)

    run_beside(change, [read] * 3)
    assert wrong == []
