"""`tollhouse serve`: the life of the server from its start to its end.

Listeners are bound first, so that a taken port ends the start; requests are taken once the first
configuration is published. At the end health turns NOT_SERVING, then the transport drains.
"""

import asyncio
import logging
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import TextIO

from aiohttp import web

from _fastpath.errors import BindError
from tollhouse import log
from tollhouse.address import Address
from tollhouse.assembly import Assembly
from tollhouse.errors import StartError
from tollhouse.http_side import HttpSide
from tollhouse.settings import ServeSettings
from tollhouse.stop_signal import StopSignal

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Side:
    """One HTTP listener; `name` is how the log tells it."""

    name: str
    routes: Iterable[web.RouteDef]
    address: Address


def _sides(settings: ServeSettings, assembly: Assembly) -> Iterable[Side]:
    if settings.http_listen is not None:
        yield Side("HTTP", assembly.routes(), settings.http_listen)


def run(
    settings: ServeSettings,
    *,
    log_to: TextIO = sys.stderr,
    notices: Iterable[str] = (),
    sides: Callable[[Assembly], Iterable[Side]] | None = None,
) -> int:
    """Serve until a signal; returns the exit code. Raises StartError.

    notices: told in the log at the start. sides: HTTP listeners in the place of http_listen.
    """
    log.configure(settings.log_level, settings.log_format, log_to)
    for notice in notices:
        logger.warning("%s", notice)
    try:
        asyncio.run(_serve(settings, sides or partial(_sides, settings)))
    except BindError as error:
        raise StartError(str(error)) from error
    return 0


async def _serve(settings: ServeSettings, sides: Callable[[Assembly], Iterable[Side]]) -> None:
    stop = StopSignal()
    assembly = Assembly(settings)
    listeners = [
        (side, HttpSide(side.routes, log_requests=settings.http_log)) for side in sides(assembly)
    ]
    try:
        await _start(settings, assembly, listeners)
        assembly.begin()
        logger.info("deciding requests")
        assembly.housekeeping.start()
        await stop.wait()
    finally:
        assembly.end()
        if assembly.authorization.tls_front is not None:
            assembly.authorization.tls_front.close_listener()
        await assembly.server.drain(settings.grace_seconds)
        if assembly.authorization.tls_front is not None:
            await assembly.authorization.tls_front.stop()
        await assembly.authorization.listeners.stop()
        await assembly.limits.reservations.stop()
        await assembly.reloading.stop()
        await assembly.housekeeping.stop()
        for _, http in listeners:
            await http.stop()
        await assembly.authorization.services.close()
        await assembly.limits.storage.stop()


async def _start(
    settings: ServeSettings, assembly: Assembly, listeners: Iterable[tuple[Side, HttpSide]]
) -> None:
    front = assembly.authorization.tls_front
    for address in (settings.rls_listen, settings.authz_listen if front is None else None):
        if address is not None:
            logger.info("gRPC on %s", assembly.server.listen(str(address)))
    if front is not None:
        assembly.server.listen(f"unix:{front.path}")
        logger.info("gRPC with TLS on %s", await front.bind())
    for side, http in listeners:
        logger.info("%s on %s", side.name, await http.start(side.address))
    await assembly.limits.storage.start()
    await assembly.reloading.start()
    await assembly.limits.restore()
    await assembly.authorization.listeners.open()
    started = assembly.server.start()
    if started is not None:
        await started
    if front is not None:
        await front.accept()
