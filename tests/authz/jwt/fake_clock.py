"""Time that stands still until a test moves it."""

import asyncio
import heapq
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(order=True)
class FakeAlarm:
    at: float
    order: int
    callback: Callable[[], object] = field(compare=False)
    cancelled: bool = field(default=False, compare=False)

    def cancel(self) -> None:
        self.cancelled = True


class FakeClock:
    """As much of an event loop's clock as authz.jwt.refreshed uses."""

    def __init__(self) -> None:
        self.now = 1000.0
        self._alarms: list[FakeAlarm] = []

    def time(self) -> float:
        return self.now

    def call_later(self, delay: float, callback: Callable[[], object]) -> FakeAlarm:
        alarm = FakeAlarm(self.now + delay, len(self._alarms), callback)
        heapq.heappush(self._alarms, alarm)
        return alarm

    @property
    def next_in(self) -> float | None:
        """Seconds until the next alarm."""
        pending = [alarm.at for alarm in self._alarms if not alarm.cancelled]
        return min(pending) - self.now if pending else None

    async def move(self, seconds: float) -> None:
        """Let time pass, ring what is due and let tasks run that need nothing from outside."""
        until = self.now + seconds
        while self._alarms and self._alarms[0].at <= until:
            alarm = heapq.heappop(self._alarms)
            self.now = max(self.now, alarm.at)
            if not alarm.cancelled:
                alarm.callback()
                await settled()
        self.now = until
        await settled()


async def settled() -> None:
    for _ in range(20):
        await asyncio.sleep(0)
