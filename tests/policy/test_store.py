"""What changes in the object cache when files change."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from policy.files import FileChange, ManifestFiles
from policy.store import ObjectStore


def secret(name: str, value: str = "v") -> str:
    return (
        f"apiVersion: v1\nkind: Secret\nmetadata: {{name: {name}}}\n"
        f"stringData: {{api_key: {value}}}\n"
    )


def key(name: str) -> tuple[str, str, str]:
    return "Secret", "default", name


def names(store: ObjectStore) -> list[str]:
    return [name for _, _, name in store.objects]


def test_only_different_objects_are_reported() -> None:
    store = ObjectStore()
    store.apply([FileChange("a.yaml", f"{secret('one')}---\n{secret('two')}")])
    changes = store.apply([FileChange("a.yaml", f"{secret('one')}---\n{secret('two', 'w')}")])
    assert [manifest.name for manifest in changes.put] == ["two"]
    assert changes.removed == ()


def test_removed_object_and_removed_file_are_reported() -> None:
    store = ObjectStore()
    store.apply([FileChange("a.yaml", f"{secret('one')}---\n{secret('two')}")])
    assert store.apply([FileChange("a.yaml", secret("one"))]).removed == (key("two"),)
    assert store.apply([FileChange("a.yaml", None)]).removed == (key("one"),)
    assert store.objects == {}


def test_unreadable_file_keeps_what_it_said() -> None:
    store = ObjectStore()
    store.apply([FileChange("a.yaml", secret("one"))])
    changes = store.apply([FileChange("a.yaml", "a: [")])
    assert changes.put == changes.removed == ()
    assert names(store) == ["one"]
    assert "a.yaml:2" in str(store.problems()[0])
    store.apply([FileChange("a.yaml", secret("one"))])
    assert store.problems() == []


def test_refused_object_keeps_its_last_good_version_until_it_goes() -> None:
    store = ObjectStore()
    store.apply([FileChange("a.yaml", secret("one"))])
    broken = secret("one").replace("apiVersion: v1", "apiVersion: ''")
    assert store.apply([FileChange("a.yaml", broken)]).removed == ()
    assert names(store) == ["one"]
    assert store.apply([FileChange("a.yaml", secret("two"))]).removed == (key("one"),)


def test_object_in_two_files_counts_where_it_was_first() -> None:
    store = ObjectStore()
    files = [("b.yaml", "b"), ("a.yaml", "a")]
    store.apply([FileChange(path, secret("one", value)) for path, value in files])
    assert store.objects[key("one")].document["stringData"]["api_key"] == "b"
    assert "already given at b.yaml:1" in str(store.problems()[0])
    changes = store.apply([FileChange("b.yaml", None)])
    assert [manifest.position.file for manifest in changes.put] == ["a.yaml"]
    assert store.problems() == []


def test_directory_is_read_again_only_where_it_changed(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "one.yaml").write_text(secret("one"))
    (tmp_path / ".hidden.yaml").write_text(secret("hidden"))
    (tmp_path / "notes.txt").write_text("no manifest")
    (tmp_path / "two.json").write_bytes(b"\xff")
    files = ManifestFiles((str(tmp_path),), lambda: 1 << 62)
    first = files.changes()
    assert [Path(change.path).name for change in first] == ["two.json", "one.yaml"]
    assert first[0].problem is not None
    assert files.changes() == []
    (tmp_path / "deep" / "one.yaml").unlink()
    assert [(Path(c.path).name, c.text) for c in files.changes()] == [("one.yaml", None)]


CONTENTS = st.one_of(st.none(), st.lists(st.sampled_from(["one", "two", "three"]), unique=True))
CHANGES = st.lists(st.tuples(st.sampled_from(["a", "b", "c"]), CONTENTS), max_size=12)


@given(CHANGES)
def test_an_object_is_there_while_a_file_holds_it(
    changes: list[tuple[str, list[str] | None]],
) -> None:
    store = ObjectStore()
    files: dict[str, list[str]] = {}
    known: set[str] = set()
    for path, held in changes:
        if held is None:
            files.pop(path, None)
            different = store.apply([FileChange(path, None)])
        else:
            files[path] = held
            text = "---\n".join(secret(name, path) for name in held)
            different = store.apply([FileChange(path, text)])
        expected = {name for held in files.values() for name in held}
        assert set(names(store)) == expected
        assert {name for _, _, name in different.removed} == known - expected
        assert {m.name for m in different.put} >= expected - known
        assert len(store.problems()) == sum(map(len, files.values())) - len(expected)
        known = expected
