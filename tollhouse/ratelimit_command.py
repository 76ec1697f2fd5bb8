"""`tollhouse ratelimit`: serves as envoyproxy/ratelimit would.

Listeners are bound first, so that a taken port ends the start. A configuration that is refused does
not: requests are answered with an error until one is taken over.
"""

import asyncio
import logging

from _fastpath.errors import BindError
from tollhouse import log
from tollhouse.errors import StartError
from tollhouse.http_side import HttpSide
from tollhouse.ratelimit_assembly import RatelimitAssembly
from tollhouse.ratelimit_http import absent
from tollhouse.ratelimit_settings import RatelimitSettings
from tollhouse.stop_signal import StopSignal

logger = logging.getLogger(__name__)

HEALTH_SECONDS = 1.0


def run(settings: RatelimitSettings) -> int:
    """Serve until a signal; returns the exit code. Raises StartError."""
    log.configure(settings.log_level, settings.log_format)
    for complaint in settings.ignored:
        logger.warning("%s", complaint)
    try:
        asyncio.run(_serve(settings))
    except BindError as error:
        raise StartError(str(error)) from error
    return 0


async def _serve(settings: RatelimitSettings) -> None:
    stop = StopSignal()
    assembly = RatelimitAssembly(settings)
    sides = [
        (HttpSide(routes, absent=absent), address)
        for routes, address in (
            (assembly.routes(), settings.http_listen),
            (assembly.debug_routes(), settings.debug_listen),
            (assembly.prometheus_routes(), settings.prometheus_listen),
        )
        if address is not None
    ]
    try:
        logger.info("gRPC on %s", assembly.server.listen(str(settings.grpc_listen)))
        for (side, address), name in zip(sides, ("HTTP", "debug", "Prometheus"), strict=False):
            logger.info("%s on %s", name, await side.start(address))
        await assembly.storage.start()
        if await _configured(assembly, stop):
            started = assembly.server.start()
            if started is not None:
                await started
            assembly.begin()
            logger.info("deciding requests")
            assembly.housekeeping.start()
            watching = asyncio.create_task(_watch_health(assembly))
            await stop.wait()
            watching.cancel()
    finally:
        assembly.end()
        await assembly.server.drain(settings.grace_seconds)
        await assembly.configuration.stop()
        await assembly.housekeeping.stop()
        await assembly.storage.stop()
        for side, _ in sides:
            await side.stop()


async def _watch_health(assembly: RatelimitAssembly) -> None:
    """What Redis does shows in health within a second."""
    while True:
        assembly.tell_health()
        await asyncio.sleep(HEALTH_SECONDS)


async def _configured(assembly: RatelimitAssembly, stop: StopSignal) -> bool:
    """Wait for the first configuration; False when a signal came first."""
    first = asyncio.create_task(assembly.configuration.start())
    asked = asyncio.create_task(stop.wait())
    await asyncio.wait({first, asked}, return_when=asyncio.FIRST_COMPLETED)
    asked.cancel()
    if not first.done():
        first.cancel()
        return False
    first.result()
    return True
