"""How many callbacks may be under way: what one AuthConfig asks for must not starve the others
(CVE-2025-25207)."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import TypeVar

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

from authz.errors import EvaluatorFailed, Refusal

T = TypeVar("T")

MOST = 512  # under the connections that Outgoing has for everybody
MOST_OF_ONE = 128
PATIENCE_S = 5.0  # what a callback has unless it says otherwise
FULL = "too many callbacks are under way"


class CallbackRoom:
    """One per process, used on its event loop. A callback without room is dropped and counted."""

    def __init__(self, most: int = MOST, most_of_one: int = MOST_OF_ONE) -> None:
        self._most = most
        self._most_of_one = most_of_one
        self._all = 0
        self._of_one: Counter[str] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()
        self.dropped = 0

    async def call(self, config_id: str, send: Callable[[], Awaitable[T]]) -> T:
        """Send and wait. Raises EvaluatorFailed, also when there is no room."""
        with self._place(config_id):
            return await send()

    def begin(self, config_id: str, send: Callable[[], Awaitable[object]]) -> None:
        """Send without waiting. Raises EvaluatorFailed when there is no room."""
        place = contextlib.ExitStack()
        place.enter_context(self._place(config_id))
        task = asyncio.create_task(_sent(send))
        self._tasks.add(task)
        task.add_done_callback(lambda _: place.close())
        task.add_done_callback(self._tasks.discard)

    async def close(self, patience_s: float = PATIENCE_S) -> None:
        """Let what nobody waits for come to its end, but no longer than this."""
        if not self._tasks:
            return
        _, late = await asyncio.wait(self._tasks, timeout=patience_s)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    @contextlib.contextmanager
    def _place(self, config_id: str) -> Iterator[None]:
        if self._all >= self._most or self._of_one[config_id] >= self._most_of_one:
            self.dropped += 1
            raise EvaluatorFailed(FULL)
        self._all += 1
        self._of_one[config_id] += 1
        try:
            yield
        finally:
            self._all -= 1
            self._of_one[config_id] -= 1
            if not self._of_one[config_id]:
                del self._of_one[config_id]


async def _sent(send: Callable[[], Awaitable[object]]) -> None:
    with contextlib.suppress(Refusal):  # nobody waits to hear of it
        await send()


class CallbackCollector(Collector):
    def __init__(self, room: CallbackRoom) -> None:
        self._room = room

    def describe(self) -> Iterable[Metric]:
        return [_dropped()]

    def collect(self) -> Iterator[Metric]:
        dropped = _dropped()
        dropped.add_metric([], self._room.dropped)
        yield dropped


def _dropped() -> CounterMetricFamily:
    return CounterMetricFamily(
        "tollhouse_callbacks_dropped", "Callbacks not sent because too many were under way."
    )
