"""Which files of a directory are read, and when they are read again."""

import os
from pathlib import Path

import pytest

from policy.files import CLOCK_STEP_NS, ManifestFiles, manifest_paths


def test_folder_that_links_lead_back_to_is_read_once(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("")
    for name in ("again", "more"):
        (tmp_path / name).symlink_to(tmp_path)
    assert list(manifest_paths((str(tmp_path),), pytest.fail)) == [str(tmp_path / "a.yaml")]


def test_same_size_within_a_step_of_the_clock_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("one")
    written = path.stat()
    now_ns = written.st_ctime_ns
    files = ManifestFiles((str(tmp_path),), lambda: now_ns)
    assert [change.text for change in files.changes()] == ["one"]
    path.write_text("two")
    os.utime(path, ns=(written.st_atime_ns, written.st_mtime_ns))
    assert [change.text for change in files.changes()] == ["two"]
    now_ns = path.stat().st_ctime_ns + CLOCK_STEP_NS
    assert [change.text for change in files.changes()] == ["two"]
    assert files.changes() == []


def test_change_behind_an_old_time_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("one")
    files = ManifestFiles((str(tmp_path),), lambda: 1 << 62)
    files.changes()
    before = path.stat()
    while path.stat().st_ctime_ns == before.st_ctime_ns:
        path.write_text("two")
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert [change.text for change in files.changes()] == ["two"]


def test_pipe_and_looping_link_are_told_and_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "loop.yaml").symlink_to("loop.yaml")
    (tmp_path / "gone.yaml").symlink_to("nowhere")
    files = ManifestFiles((str(tmp_path),))
    assert {Path(change.path).name: change.problem for change in files.changes()} == {
        "loop.yaml": "cannot be read: Too many levels of symbolic links",
        "pipe.yaml": "cannot be read: is no regular file",
    }


def test_root_that_vanished_keeps_what_it_held(tmp_path: Path) -> None:
    root = tmp_path / "manifests"
    root.mkdir()
    (root / "a.yaml").write_text("one")
    files = ManifestFiles((str(root),))
    files.changes()
    root.rename(tmp_path / "away")
    (change,) = files.changes()
    assert (change.path, change.problem) == (str(root), "cannot be read: No such file or directory")
    (tmp_path / "away").rename(root)
    assert (str(root), None) in [(change.path, change.text) for change in files.changes()]
    (root / "a.yaml").unlink()
    assert [(change.path, change.text) for change in files.changes()] == [
        (str(root / "a.yaml"), None)
    ]


def test_folder_that_cannot_be_listed_keeps_what_it_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "deep"
    folder.mkdir()
    (folder / "a.yaml").write_text("one")
    files = ManifestFiles((str(tmp_path),))
    files.changes()
    listing = os.scandir

    def refuse(place: str) -> object:
        if str(place) == str(folder):
            raise PermissionError(13, "Permission denied", str(place))
        return listing(place)

    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", refuse)
        (change,) = files.changes()
    assert (change.path, change.problem) == (str(folder), "cannot be read: Permission denied")
    assert (str(folder), None) in [(change.path, change.text) for change in files.changes()]
