"""`make run`: start the demo, walk through it, stay up until Ctrl-C or SIGTERM."""

import argparse
import asyncio
import signal
import sys

from rich.console import Console

from deploy.demo.stack import DemoError, Ports, running
from deploy.demo.tour import hints, show, walk


async def demo(console: Console, ports: Ports, *, once: bool) -> int:
    """Exit code: 0, or 1 when the tour saw an unexpected answer or a process ended early."""
    console.print("Starting toystore, Tollhouse and Envoy …")
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, task.cancel)
    try:
        async with running(ports) as processes:
            seen = await walk(ports.front)
            show(console, seen)
            right = all(item.right for item in seen)
            if once:
                return 0 if right else 1
            console.print(hints(ports.front, ports.http), markup=False, soft_wrap=True)
            ends = [asyncio.ensure_future(process.wait()) for process in processes.values()]
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            names = [name for name, process in processes.items() if process.returncode is not None]
            raise DemoError(f"{', '.join(names)} ended by itself; the lines above may say why")
    except asyncio.CancelledError:
        task.uncancel()
        console.print("Stopped toystore, Tollhouse and Envoy.")
        return 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="make run", description=__doc__)
    parser.add_argument("--once", action="store_true", help="stop after the tour")
    parser.add_argument("--free-ports", action="store_true", help="use ports nobody listens on")
    arguments = parser.parse_args()
    ports = Ports.free() if arguments.free_ports else Ports()
    try:
        return asyncio.run(demo(Console(), ports, once=arguments.once))
    except DemoError as error:
        Console(stderr=True).print(f"make run: {error}", markup=False, soft_wrap=True)
        return 1


if __name__ == "__main__":
    sys.exit(main())
