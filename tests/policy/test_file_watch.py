"""Every way of changing a file gives a notice, on real files."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from policy import file_watch
from policy.file_watch import FileWatch

PATIENCE_SECONDS = 5.0


@asynccontextmanager
async def watching(*paths: Path) -> AsyncIterator[AsyncIterator[None]]:
    watch = FileWatch(paths)
    changes = watch.changes()
    try:
        yield changes
    finally:
        await changes.aclose()  # type: ignore[attr-defined]
        watch.close()


async def notice(changes: AsyncIterator[None]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        await anext(changes)


def write(file: Path) -> None:
    file.write_text("new")


def rename(file: Path) -> None:
    other = file.with_name("other")
    other.write_text("new")
    other.rename(file)


def delete(file: Path) -> None:
    file.unlink()


def truncate_then_write(file: Path) -> None:
    os.truncate(file, 0)
    write(file)


def hard_link(file: Path) -> None:
    other = file.with_name("other")
    other.write_text("new")
    file.unlink()
    os.link(other, file)


def replace_directory(file: Path) -> None:
    folder = file.parent
    fresh = folder.with_name("fresh")
    fresh.mkdir()
    (fresh / file.name).write_text("new")
    folder.rename(folder.with_name("old"))
    fresh.rename(folder)


@pytest.mark.parametrize(
    "change", [write, rename, delete, truncate_then_write, hard_link, replace_directory]
)
async def test_change_of_file_is_noticed(tmp_path: Path, change: Callable[[Path], None]) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    file = folder / "limits.yaml"
    file.write_text("old")
    async with watching(file) as changes:
        change(file)
        await notice(changes)
        # The watch has followed to what the path stands for now.
        file.write_text("newer")
        await notice(changes)


async def test_swap_of_mounted_config_map_is_noticed(tmp_path: Path) -> None:
    for version in ("..v1", "..v2"):
        (tmp_path / version).mkdir()
        (tmp_path / version / "limits.yaml").write_text(version)
    (tmp_path / "..data").symlink_to("..v1")
    (tmp_path / "limits.yaml").symlink_to("..data/limits.yaml")
    async with watching(tmp_path / "limits.yaml") as changes:
        (tmp_path / "..data_tmp").symlink_to("..v2")
        (tmp_path / "..data_tmp").rename(tmp_path / "..data")
        await notice(changes)
        (tmp_path / "..v2" / "limits.yaml").write_text("behind the new link")
        await notice(changes)


async def test_file_in_new_subdirectory_is_noticed(tmp_path: Path) -> None:
    async with watching(tmp_path) as changes:
        (tmp_path / "team" / "shop").mkdir(parents=True)
        await notice(changes)
        (tmp_path / "team" / "shop" / "policy.yaml").write_text("new")
        await notice(changes)


async def test_file_that_did_not_exist_is_noticed(tmp_path: Path) -> None:
    async with watching(tmp_path / "later" / "limits.yaml") as changes:
        (tmp_path / "later").mkdir()
        (tmp_path / "later" / "limits.yaml").write_text("new")
        await notice(changes)


async def test_half_written_file_is_not_read(tmp_path: Path) -> None:
    file = tmp_path / "limits.yaml"
    file.write_text("old")
    async with watching(file) as changes:
        with file.open("w") as writer:
            waiting = asyncio.create_task(notice(changes))
            done, _ = await asyncio.wait([waiting], timeout=0.1)
            assert not done
            writer.write("new")
        await waiting
        assert file.read_text() == "new"


async def test_without_inotify_files_are_looked_at_regularly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(**options: object) -> None:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(file_watch, "Inotify", refuse)
    monkeypatch.setattr(file_watch, "POLL_SECONDS", 0.001)
    async with watching(tmp_path) as changes:
        await notice(changes)
    assert "no inotify" in caplog.text
