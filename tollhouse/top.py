"""`tollhouse top`: watches the limits of a running server."""

import asyncio
import contextlib
import os
import signal
import sys
import termios
import time
import tty
from collections.abc import Iterator
from dataclasses import asdict

import msgspec
from rich.live import Live

from tollhouse.server_access import Server, ServerError
from tollhouse.terminal import console
from tollhouse.top_flags import TopSettings
from tollhouse.top_sample import NearKey, Sample, View, near_keys, sample, view
from tollhouse.top_view import render

NEAR_EVERY_SECONDS = 5.0  # looking through counters costs the server more than a sample does


def run(settings: TopSettings) -> int:
    """Returns the exit code. Raises ServerError, UsageError."""
    asyncio.run(_until_signal(settings))
    return 0


async def _until_signal(settings: TopSettings) -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended.set)
    await watch(settings, ended)


async def watch(settings: TopSettings, ended: asyncio.Event) -> None:
    """Shows views until `ended`, or one. Raises ServerError, UsageError."""
    async with Server(settings.access) as server:
        views = _Views(settings, server, ended)
        if settings.json:
            await views.print_json()
        elif settings.once or not sys.stdout.isatty():
            await views.print_once()
        else:
            with _keys(ended):
                await views.live()


class _Views:
    """Takes views of one server until it is told to end."""

    def __init__(self, settings: TopSettings, server: Server, ended: asyncio.Event) -> None:
        self._settings = settings
        self._server = server
        self._ended = ended
        self._near: list[NearKey] = []
        self._near_problem = ""
        self._near_at = float("-inf")

    async def print_once(self) -> None:
        before = await sample(self._server)
        if await self._paused():
            _, shown = await self._next(before)
            console().print(render(shown))

    async def print_json(self) -> None:
        before = await sample(self._server)
        while await self._paused():
            before, shown = await self._next(before)
            print(msgspec.json.encode(asdict(shown)).decode(), flush=True)
            if self._settings.once:
                return

    async def live(self) -> None:
        """Goes on showing the last view while the server cannot be reached."""
        before = await sample(self._server)
        first, shown = await self._next(before)
        screen = console()
        with Live(
            render(shown, screen.height), console=screen, screen=True, auto_refresh=False
        ) as live:
            before = first
            while await self._paused():
                problem = ""
                try:
                    before, shown = await self._next(before)
                except ServerError as error:
                    problem = str(error)
                live.update(render(shown, screen.height, problem), refresh=True)

    async def _paused(self) -> bool:
        """Waits for the next view; False when there is none."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._ended.wait(), self._settings.interval)
        return not self._ended.is_set()

    async def _next(self, before: Sample) -> tuple[Sample, View]:
        after = await sample(self._server)
        shown = self._view(before, after)
        if time.monotonic() - self._near_at >= NEAR_EVERY_SECONDS:
            try:
                busiest = [(limit.namespace, limit.limit) for limit in shown.limits]
                self._near = await near_keys(self._server, busiest)
                self._near_problem = ""
            except ServerError as error:
                self._near, self._near_problem = [], str(error)
            self._near_at = time.monotonic()
        return after, self._view(before, after)

    def _view(self, before: Sample, after: Sample) -> View:
        server = self._settings.access.server
        return view(server, before, after, self._near, self._near_problem)


@contextlib.contextmanager
def _keys(ended: asyncio.Event) -> Iterator[None]:
    """Ends at a q; the terminal is as before afterwards."""
    if not sys.stdin.isatty():
        yield
        return
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    loop = asyncio.get_running_loop()

    def pressed() -> None:
        if set(os.read(descriptor, 64)) & set(b"qQ"):
            ended.set()

    tty.setcbreak(descriptor)
    loop.add_reader(descriptor, pressed)
    try:
        yield
    finally:
        loop.remove_reader(descriptor)
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
