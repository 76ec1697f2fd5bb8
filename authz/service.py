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
        try:
            decoded = decode_check_request(request, context.mono_ns, context.wall_ns)
        except WireError as error:
            status = Status.RESOURCE_EXHAUSTED if error.too_large else Status.INTERNAL
            raise RpcError(status, str(error)) from error
        try:
            verdict = await self._decide(decoded, context)
        except Exception:  # the check's edge: whatever went wrong, the answer is a denial
            logger.exception("check failed")
            verdict = answers.unavailable("internal error")
        self._count("auth_server_response_status", verdict.status.name)
        return verdict.answer

    async def _decide(self, request: CheckRequest, context: Context) -> Verdict:
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
        if isinstance(found, str):
            return answers.unavailable(found)
        return await self._run(found, request, context)

    async def _run(self, ready: Ready, request: CheckRequest, context: Context) -> Verdict:
        """The verdict in time, or 503: a verdict that comes late is none (reference §3.8)."""
        config = ready.opened.config
        steps: list[Step] = []
        deadline = self._deadline(context)
        pipeline = Pipeline(
            ready.opened,
            self._services,
            request,
            mono_ns=context.mono_ns,
            wall_ns=context.wall_ns,
            deadline=deadline,
            note=steps.append if any(entry.metrics for entry in config.entries) else None,
        )
        try:
            async with asyncio.timeout_at(deadline):
                verdict = await pipeline.run()
        except TimeoutError:
            verdict = answers.unavailable("")
        except Overloaded as error:
            verdict = answers.unavailable(str(error))
        place = config.namespace, config.name
        if not verdict.skipped:
            self._count("auth_server_authconfig_total", *place)
            self._count("auth_server_authconfig_response_status", *place, verdict.status.name)
        for step in steps:
            self._count_step(place, step)
        return verdict

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
