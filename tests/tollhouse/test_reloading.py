"""Sources are started in turn and refreshed after every change, whatever one of them does."""

import asyncio
from pathlib import Path

import pytest

from tollhouse.errors import StartError
from tollhouse.reloading import Reloading, Source


class Recorded:
    """A source that remembers its calls and may fail."""

    def __init__(self, *, start: Exception | None = None, refresh: Exception | None = None) -> None:
        self._start = start
        self._refresh = refresh
        self.refreshed = asyncio.Event()
        self.started = False

    async def start(self) -> None:
        if self._start is not None:
            raise self._start
        self.started = True

    async def refresh(self) -> None:
        self.refreshed.set()
        if self._refresh is not None:
            raise self._refresh


def reloading(path: Path, *sources: Source) -> Reloading:
    return Reloading([path], sources)


async def test_change_refreshes_all_sources(tmp_path: Path) -> None:
    sources = Recorded(), Recorded()
    running = reloading(tmp_path, *sources)
    await running.start()
    (tmp_path / "new.yaml").write_text("")
    async with asyncio.timeout(5):
        for source in sources:
            await source.refreshed.wait()
    await running.stop()
    assert running.failures == 0


async def test_fault_of_one_source_leaves_the_others_and_the_watch(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    broken, sound = Recorded(refresh=RuntimeError("inside")), Recorded()
    running = reloading(tmp_path, broken, sound)
    await running.start()
    async with asyncio.timeout(5):
        for name in ("a.yaml", "b.yaml"):
            sound.refreshed.clear()
            (tmp_path / name).write_text("")
            await sound.refreshed.wait()
    await running.stop()
    assert running.failures == 2
    assert "RuntimeError: inside" in caplog.text


async def test_refused_start_is_passed_on(tmp_path: Path) -> None:
    running = reloading(tmp_path, Recorded(start=StartError("unreadable")))
    with pytest.raises(StartError, match="unreadable"):
        await running.start()
    await running.stop()


async def test_change_during_the_start_is_not_missed(tmp_path: Path) -> None:
    class Slow(Recorded):
        async def start(self) -> None:
            (tmp_path / "meanwhile.yaml").write_text("")

    source = Slow()
    running = reloading(tmp_path, source)
    await running.start()
    async with asyncio.timeout(5):
        await source.refreshed.wait()
    await running.stop()
