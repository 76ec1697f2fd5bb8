"""The files of a directory as one configuration: which are read, and what stays in force."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.descriptors.host import Host
from tollhouse.domains_source import DomainsSource, domain_paths
from tollhouse.ratelimit_settings import FileSettings

TREE = "domain: {}\ndescriptors: [{{key: a, rate_limit: {{unit: day, requests_per_unit: 1}}}}]\n"


@pytest.fixture
def settings(tmp_path: Path) -> FileSettings:
    made = FileSettings(tmp_path, "s")
    made.appfolder.mkdir(parents=True)
    return made


class Watched:
    """A source that a test refreshes itself."""

    def __init__(self, settings: FileSettings) -> None:
        self.host = Host(False)
        self.source = DomainsSource(settings, self.host.active, lambda: None)

    async def domains(self) -> list[str]:
        await self.source.refresh()
        return sorted(self.host.active.current.by_name)

    @property
    def problems(self) -> list[str]:
        return [str(problem) for problem in self.host.active.problems]


def write(folder: Path, name: str) -> Path:
    path = folder / f"{name}.yaml"
    path.write_text(TREE.format(name))
    return path


async def test_files_come_and_go(settings: FileSettings) -> None:
    watched = Watched(settings)
    assert await watched.domains() == []
    assert watched.host.active.loaded
    one = write(settings.appfolder, "one")
    (settings.appfolder / "deeper").mkdir()
    write(settings.appfolder / "deeper", "two")
    assert await watched.domains() == ["one", "two"]
    one.unlink()
    assert await watched.domains() == ["two"]


async def test_a_fault_keeps_everything_as_it_was(settings: FileSettings) -> None:
    watched = Watched(settings)
    write(settings.appfolder, "one")
    assert await watched.domains() == ["one"]
    write(settings.appfolder, "two")
    bad = settings.appfolder / "bad.yaml"
    bad.write_text("domain: ''\n")
    assert await watched.domains() == ["one"]
    assert watched.problems == [f"{bad}:1: domain: is missing or empty"]
    bad.unlink()
    assert await watched.domains() == ["one", "two"]
    assert watched.problems == []


@pytest.mark.parametrize("watch_root", [False, True])
async def test_a_directory_that_goes_takes_nothing_along(
    settings: FileSettings, watch_root: bool
) -> None:
    settings = replace(settings, watch_root=watch_root)
    watched = Watched(settings)
    write(settings.appfolder, "one")
    assert await watched.domains() == ["one"]
    away = settings.appfolder.rename(settings.root / "away")
    assert await watched.domains() == ["one"]
    assert watched.host.active.refusals == 1
    away.rename(settings.appfolder)
    assert await watched.domains() == ["one"]
    assert watched.problems == []


async def test_without_a_directory_nothing_is_loaded(tmp_path: Path) -> None:
    watched = Watched(FileSettings(tmp_path, "s", watch_root=False))
    assert await watched.domains() == []
    assert not watched.host.active.loaded
    assert watched.problems == [f"{tmp_path}/s/config:1: cannot be read: No such file or directory"]


def test_which_files_are_read(settings: FileSettings) -> None:
    for name in (".hidden", "..data", "seen"):
        write(settings.appfolder, name)
    write(settings.folder, "config")
    write(settings.folder, "other")

    def names(chosen: FileSettings) -> list[str]:
        folder = settings.root / settings.subdirectory
        paths = domain_paths(chosen, lambda error: None)
        return [str(Path(path).relative_to(folder)) for path in paths]

    assert names(settings) == ["config.yaml", "config/.hidden.yaml", "config/seen.yaml"]
    assert names(replace(settings, ignore_dot_files=True)) == ["config.yaml", "config/seen.yaml"]
    assert names(replace(settings, watch_root=False)) == ["config/.hidden.yaml", "config/seen.yaml"]


async def test_links_in_a_circle_are_walked_once(settings: FileSettings) -> None:
    watched = Watched(settings)
    write(settings.appfolder, "one")
    (settings.appfolder / "again").symlink_to(settings.appfolder)
    assert await watched.domains() == ["one"]
