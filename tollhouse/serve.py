"""`tollhouse serve`: the life of the server from its start to its end.

Listeners are bound first, so that a taken port ends the start; requests are taken once the first
configuration is published. At the end health turns NOT_SERVING, then the transport drains.
"""

import asyncio
import logging
import sys
from typing import TextIO

from _fastpath.errors import BindError
from tollhouse import log
from tollhouse.assembly import Assembly
from tollhouse.errors import StartError
from tollhouse.http_side import HttpSide
from tollhouse.settings import ServeSettings
from tollhouse.stop_signal import StopSignal

logger = logging.getLogger(__name__)


def run(settings: ServeSettings, *, log_to: TextIO = sys.stderr) -> int:
    """Serve until a signal; returns the exit code. Raises StartError."""
    log.configure(settings.log_level, settings.log_format, log_to)
    try:
        asyncio.run(_serve(settings))
    except BindError as error:
        raise StartError(str(error)) from error
    return 0


async def _serve(settings: ServeSettings) -> None:
    stop = StopSignal()
    assembly = Assembly(settings)
    http = HttpSide(assembly.routes(), log_requests=settings.http_log)
    try:
        await _start(settings, assembly, http)
        assembly.begin()
        logger.info("deciding requests")
        assembly.housekeeping.start()
        await stop.wait()
    finally:
        assembly.end()
        await assembly.server.drain(settings.grace_seconds)
        await assembly.listeners.stop()
        await assembly.reservations.stop()
        await assembly.reloading.stop()
        await assembly.housekeeping.stop()
        await http.stop()
        await assembly.storage.stop()


async def _start(settings: ServeSettings, assembly: Assembly, http: HttpSide) -> None:
    for address in (settings.rls_listen, settings.authz_listen):
        if address is not None:
            logger.info("gRPC on %s", assembly.server.listen(str(address)))
    if settings.http_listen is not None:
        logger.info("HTTP on %s", await http.start(settings.http_listen))
    await assembly.storage.start()
    await assembly.reloading.start()
    await assembly.restore()
    await assembly.listeners.open()
    started = assembly.server.start()
    if started is not None:
        await started
