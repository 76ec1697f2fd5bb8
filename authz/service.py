"""envoy.service.auth.v3.Authorization: the full lane behind the native handler."""

import asyncio
import logging
from collections import deque

from _fastpath.cells import Series
from _fastpath.check import NOT_READY, CheckDecider
from _fastpath.check_codec import (
    INVALID_REQUEST,
    SERVICE_NOT_FOUND,
    CheckRequest,
    decode_check_request,
    encode_check_response,
)
from _fastpath.errors import WireError
from _fastpath.rpc import Context, Method, RpcError, Status, UnaryMethod
from authz import answers
from authz.answers import Verdict
from authz.configuration import Ready, Snapshot
from authz.errors import Overloaded
from authz.evaluation import Note
from authz.pipeline import Pipeline
from authz.services import Services
from authz.step import Outcome, Step

logger = logging.getLogger("tollhouse.authz")

CHECK = "/envoy.service.auth.v3.Authorization/Check"
KEEP_NS = 60 * 10**9  # a deferred request is far younger than this
OVERLOADED = "too many requests are waiting"


class AuthorizationService:
    """Decides what the native lane defers, and everything on a transport without it.

    `publish` and the handler run on the event loop. timeout_s: for a whole check; None leaves it to
    the caller's deadline.
    """

    def __init__(
        self,
        decider: CheckDecider,
        services: Services,
        series: Series,
        threads: int,
        timeout_s: float | None = None,
    ) -> None:
        self._decider = decider
        self._services = services
        self._timeout_s = timeout_s
        self._series = series
        self._thread = threads
        self._snapshots: deque[tuple[int, int, Snapshot]] = deque()

    def publish(self, generation: int, snapshot: Snapshot, mono_ns: int) -> None:
        """Remember what plan `generation` means; older ones are kept for a minute."""
        self._snapshots.append((generation, mono_ns, snapshot))
        while len(self._snapshots) > 1 and self._snapshots[1][1] < mono_ns - KEEP_NS:
            self._snapshots.popleft()

    def methods(self) -> list[Method]:
        overload = answers.unavailable(OVERLOADED).answer
        return [UnaryMethod(CHECK, self.check, native=self._decider.check, overload=overload)]

    async def check(self, request: bytes, context: Context) -> bytes:
        """Raises RpcError only for bytes that are no CheckRequest."""
        decoded = _decoded(request, context)
        try:
            found = self._look_up(decoded, context)
            if isinstance(found, Ready):
                verdict = await self._counted(found, decoded, context)
            else:
                verdict = found
        except Exception:  # the check's edge: whatever went wrong, the answer is a denial
            logger.exception("check failed")
            verdict = answers.unavailable("internal error")
        self._count("auth_server_response_status", verdict.status.name)
        return verdict.answer

    async def dry_run(self, request: bytes, context: Context, note: Note) -> tuple[str, Verdict]:
        """The id of the AuthConfig, empty without one, and what `check` would decide; nothing is
        counted and no callback is sent. Raises RpcError as `check` does, and what a defect raises.
        """
        decoded = _decoded(request, context)
        found = self._look_up(decoded, context)
        if isinstance(found, Ready):
            verdict = await self._decide(found, decoded, context, note, dry_run=True)
            return found.opened.config.id, verdict
        return "", found

    def _look_up(self, request: CheckRequest, context: Context) -> Ready | Verdict:
        """The AuthConfig of the host, or the answer where there is none."""
        if not request.has_http:
            answer = encode_check_response(
                Status.INVALID_ARGUMENT, http_status=400, reason=INVALID_REQUEST
            )
            return Verdict(answer, Status.INVALID_ARGUMENT)
        snapshot = self._snapshot(context.generation)
        if snapshot is None:
            return answers.unavailable(NOT_READY)
        found = snapshot.find(request.host)
        if found is None:
            answer = encode_check_response(
                Status.NOT_FOUND, http_status=404, reason=SERVICE_NOT_FOUND
            )
            return Verdict(answer, Status.NOT_FOUND)
        return answers.unavailable(found) if isinstance(found, str) else found

    async def _counted(self, ready: Ready, request: CheckRequest, context: Context) -> Verdict:
        config = ready.opened.config
        steps: list[Step] = []
        note = steps.append if any(entry.metrics for entry in config.entries) else None
        verdict = await self._decide(ready, request, context, note)
        place = config.namespace, config.name
        if not verdict.skipped:
            self._count("auth_server_authconfig_total", *place)
            self._count("auth_server_authconfig_response_status", *place, verdict.status.name)
        for step in steps:
            self._count_step(place, step)
        return verdict

    async def _decide(
        self,
        ready: Ready,
        request: CheckRequest,
        context: Context,
        note: Note | None,
        *,
        dry_run: bool = False,
    ) -> Verdict:
        """The verdict in time, or 503: a verdict that comes late is none (reference §3.8)."""
        deadline = self._deadline(context)
        pipeline = Pipeline(
            ready.opened,
            self._services,
            request,
            mono_ns=context.mono_ns,
            wall_ns=context.wall_ns,
            deadline=deadline,
            note=note,
            dry_run=dry_run,
        )
        try:
            async with asyncio.timeout_at(deadline):
                return await pipeline.run()
        except TimeoutError:
            return answers.unavailable("")
        except Overloaded as error:
            return answers.unavailable(str(error))

    def _deadline(self, context: Context) -> float | None:
        """In time of the event loop, whose clock is the monotonic one."""
        ends = [] if context.deadline_ns is None else [context.deadline_ns / 1e9]
        if self._timeout_s is not None:
            ends.append(asyncio.get_running_loop().time() + self._timeout_s)
        return min(ends, default=None)

    def _count_step(self, place: tuple[str, str], step: Step) -> None:
        entry = step.entry
        if not entry.metrics:
            return
        labels = *place, entry.kind.label, entry.name
        self._count("auth_server_evaluator_total", *labels)
        if step.outcome is not Outcome.SUCCEEDED:
            self._count(f"auth_server_evaluator_{step.outcome}", *labels)

    def _snapshot(self, generation: int) -> Snapshot | None:
        """The configuration that plan held, or the newest when it is not named or long gone."""
        for known, _, snapshot in reversed(self._snapshots):
            if known <= generation:
                return snapshot
        return self._snapshots[-1][2] if self._snapshots else None

    def _count(self, *key: str) -> None:
        self._series.add(self._thread, self._series.id(key), 1)


def _decoded(request: bytes, context: Context) -> CheckRequest:
    try:
        return decode_check_request(request, context.mono_ns, context.wall_ns)
    except WireError as error:
        status = Status.RESOURCE_EXHAUSTED if error.too_large else Status.INTERNAL
        raise RpcError(status, str(error)) from error
