"""The domains that an xDS management server holds for this node."""

import asyncio
import logging
from collections.abc import Callable, Sequence

from google.protobuf.any_pb2 import Any

from ratelimit.descriptors import xds_resource
from ratelimit.descriptors.active_domains import ActiveDomains
from ratelimit.descriptors.configuration import Domains
from ratelimit.errors import LimitsFileError, Problem
from tollhouse.domains_source import MOST_LOGGED
from tollhouse.ratelimit_settings import XdsSettings
from tollhouse.xds_client import XdsClient

logger = logging.getLogger(__name__)

MOST_TOLD = 4096  # characters of a NACK's message


class XdsSource:
    """All resources of a response together are one configuration, as the files of a directory.

    wait: `start` waits for the first response. applied: called after each configuration that is
    taken over.
    """

    def __init__(
        self,
        settings: XdsSettings,
        active: ActiveDomains,
        applied: Callable[[], None],
        *,
        wait: bool,
    ) -> None:
        self._server = settings.server
        self._active = active
        self._applied = applied
        self._wait = wait
        self._client = XdsClient(settings, xds_resource.TYPE_URL, self.take)

    async def start(self) -> None:
        self._client.start()
        if self._wait:
            logger.info("waiting for the configuration from %s", self._server)
            await self._client.answered()

    async def stop(self) -> None:
        await self._client.stop()

    async def take(self, resources: Sequence[Any]) -> str | None:
        """Put them in force; the reason when they are refused, and what was in force stays."""
        try:
            domains = await asyncio.to_thread(self._compile, resources)
        except LimitsFileError as error:
            self._active.refuse(error)
            for problem in error.problems[:MOST_LOGGED]:
                logger.error("configuration refused: %s", problem)
            return str(error)[:MOST_TOLD]
        self._active.apply(domains)
        self._applied()
        logger.info("domains in force: %d from %s", len(domains.by_name), self._server)
        return None

    def _compile(self, resources: Sequence[Any]) -> Domains:
        files = []
        problems: list[Problem] = []
        for resource in resources:
            try:
                files.append(xds_resource.parse(resource.type_url, resource.value))
            except LimitsFileError as error:
                problems += error.problems
        if problems:
            raise LimitsFileError(problems)
        return self._active.build(files)
