"""Manifest files: AuthConfigs and Secrets, read at the start and again where they changed."""

import asyncio
import logging
import os
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from _fastpath.host_index import HostIndex
from authz.configuration import Configuration, Report
from authz.service import AuthorizationService
from policy.authorization import AuthorizationObjects
from policy.files import ManifestFiles
from policy.scope import EVERYWHERE, Scope
from tollhouse.errors import StartError

logger = logging.getLogger(__name__)

MOST_LOGGED = 20  # lines per change; /status has more
MOST_LISTED = 100  # of each kind in /status


@dataclass(frozen=True, slots=True)
class ManifestState:
    """What status and metrics tell. Lines are `file:line: field: what is wrong`.

    notices: objects that are passed over.
    """

    auth_configs: int = 0
    secrets: int = 0
    problems: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
    reports: tuple[Report, ...] = ()

    def status(self) -> Mapping[str, object]:
        """As JSON; at most MOST_LISTED items of each kind."""
        return {
            "auth_configs": self.auth_configs,
            "secrets": self.secrets,
            "problems": self.problems[:MOST_LISTED],
            "problems_total": len(self.problems),
            "notices": self.notices[:MOST_LISTED],
            "notices_total": len(self.notices),
            "reports": [
                {
                    "id": report.id,
                    "ready": report.ready,
                    "hosts": sorted(report.hosts_linked),
                    "lane": report.lane,
                }
                for report in self.reports[:MOST_LISTED]
            ],
        }


class ManifestsSource:
    """Files and directories of manifests; what is refused keeps its last good version.

    Used on the event loop; files are read and compiled in a thread.
    """

    def __init__(
        self,
        roots: Sequence[Path],
        configuration: Configuration,
        service: AuthorizationService,
        publish: Callable[[HostIndex], int],
        changed: Callable[[], Awaitable[None]],
        scope: Scope = EVERYWHERE,
    ) -> None:
        """changed: awaited once a change after the start is in force. `snapshot` is what is."""
        self._roots = tuple(map(str, roots))
        self._files = ManifestFiles(self._roots)
        self._configuration = configuration
        self._objects = AuthorizationObjects(configuration, scope)
        self._service = service
        self._publish = publish
        self._changed = changed
        self.state = ManifestState()
        self.snapshot = configuration.snapshot()

    @property
    def has_auth_configs(self) -> bool:
        """Whether there are any, those that are refused included."""
        return bool(self.state.reports)

    async def start(self) -> None:
        """Take the files over. Raises StartError for a path that cannot be read."""
        for root in self._roots:
            reason = unreadable(root)
            if reason is not None:
                raise StartError(reason)
        await asyncio.to_thread(self._read)
        await self._put_in_force()

    async def refresh(self) -> None:
        """Take over what is different now; what is refused shows in log and status."""
        self._configuration.close_replaced()
        if await asyncio.to_thread(self._read):
            await self._put_in_force()
            await self._changed()

    def _read(self) -> bool:
        changes = self._files.changes()
        if changes:
            self._objects.apply(changes)
        return bool(changes)

    async def _put_in_force(self) -> None:
        self._configuration.start_new()
        snapshot = self.snapshot = self._configuration.snapshot()
        # No await in between: what the new plan defers finds its snapshot.
        generation = self._publish(snapshot.hosts)
        self._service.publish(generation, snapshot, time.monotonic_ns())
        before = self.state
        self.state = await asyncio.to_thread(manifest_state, self._configuration, self._objects)
        _tell(before, self.state)


def manifest_state(configuration: Configuration, objects: AuthorizationObjects) -> ManifestState:
    return ManifestState(
        auth_configs=objects.count("AuthConfig"),
        secrets=objects.count("Secret"),
        problems=tuple(map(str, objects.problems())),
        notices=tuple(objects.notices()),
        reports=tuple(configuration.reports()),
    )


def unreadable(root: str) -> str | None:
    """Why a manifest path cannot be read at all; None when it can."""
    try:
        if os.path.isdir(root):
            os.listdir(root)
        else:
            Path(root).open("rb").close()
    except OSError as error:
        return f"{root}: cannot be read: {error.strerror}"
    return None


def _tell(before: ManifestState, after: ManifestState) -> None:
    for line in _new(before.problems, after.problems):
        logger.error("refused: %s", line)
    for line in _new(before.notices, after.notices):
        logger.warning("%s", line)
    if (before.auth_configs, before.secrets) != (after.auth_configs, after.secrets):
        logger.info(
            "manifests in force: %d AuthConfigs, %d Secrets", after.auth_configs, after.secrets
        )


def _new(before: Sequence[str], after: Sequence[str]) -> list[str]:
    """The lines that were not told before, no more than a log should take."""
    known = set(before)
    return [line for line in after if line not in known][:MOST_LOGGED]
