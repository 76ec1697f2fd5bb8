"""SIGTERM and SIGINT: the first asks for an orderly end, the second ends the process at once."""

import asyncio
import os
import signal


class StopSignal:
    """Installed on the running event loop. `wait` returns with the first signal."""

    def __init__(self) -> None:
        self._asked = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._take, number)

    def _take(self, number: signal.Signals) -> None:
        if self._asked.is_set():
            # Not sys.exit: nothing that could block may run now.
            os._exit(128 + number)
        self._asked.set()

    async def wait(self) -> None:
        await self._asked.wait()
