"""envoy.service.auth.v3.Authorization: the full lane behind the native handler."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Mapping

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
from authz.call_metrics import GRPC_SECONDS
from authz.check_metrics import CheckMetrics
from authz.configuration import Ready, Snapshot
from authz.errors import Overloaded, Unauthenticated
from authz.evaluation import Note
from authz.evaluator import Turn
from authz.evidence import NOTHING, Evidence, token_items, verified_token
from authz.metric_labels import KEY as LABELS
from authz.pipeline import Pipeline
from authz.request_log import RequestLog
from authz.services import Services
from authz.step import Step

logger = logging.getLogger("tollhouse.authz")

CHECK = "/envoy.service.auth.v3.Authorization/Check"
KEEP_NS = 60 * 10**9  # a deferred request is far younger than this
LABELS_KEY = LABELS.encode()
OVERLOADED = "too many requests are waiting"


class AuthorizationService:
    """Decides what the native lane defers, and everything on a transport without it.

    `publish` and the handler run on the event loop. timeout_s: for a whole check; None leaves it to
    the caller's deadline. request_log: told of every check, all of which then come here.
    """

    def __init__(
        self,
        decider: CheckDecider,
        services: Services,
        series: Series,
        threads: int,
        timeout_s: float | None = None,
        request_log: RequestLog | None = None,
    ) -> None:
        self._decider = decider
        self._services = services
        self._timeout_s = timeout_s
        self._log = request_log
        self.metrics = CheckMetrics(series, threads)
        self._snapshots: deque[tuple[int, int, Snapshot]] = deque()

    def publish(self, generation: int, snapshot: Snapshot, mono_ns: int) -> None:
        """Remember what plan `generation` means; older ones are kept for a minute."""
        self._snapshots.append((generation, mono_ns, snapshot))
        while len(self._snapshots) > 1 and self._snapshots[1][1] < mono_ns - KEEP_NS:
            self._snapshots.popleft()

    def methods(self) -> list[Method]:
        overload = answers.unavailable(OVERLOADED).answer
        native = self._decider.check if self._log is None else None
        return [UnaryMethod(CHECK, self._call, native=native, overload=overload)]

    async def _call(self, request: bytes, context: Context) -> bytes:
        answer = await self._after_native(request, context)
        self.metrics.took(GRPC_SECONDS, time.monotonic_ns() - context.mono_ns)
        return answer

    async def check(self, request: bytes, context: Context) -> bytes:
        """The pipeline's answer. Raises RpcError only for bytes that are no CheckRequest."""
        return await self._answer(_decoded(request, context), context, NOTHING.refused)

    async def check_here(self, request: bytes, context: Context) -> bytes:
        """As `check`, for callers whose request no native transport took: that lane goes first."""
        if self._log is None:
            outcome, answer, status, message, generation = self._decider.check(
                request, context.mono_ns, context.wall_ns
            )
            if outcome == "answer" and status:
                raise RpcError(Status(status), message)
            if outcome == "answer":
                return answer
            context.generation = generation
        return await self._after_native(request, context)

    async def _after_native(self, request: bytes, context: Context) -> bytes:
        """As `check`, for what the native lane has deferred: it is asked again when the token was
        all that it lacked, and counts what it answers."""
        decoded = _decoded(request, context)
        evidence = NOTHING
        # The request log is told by the pipeline alone, and so are labels of metrics.
        if self._log is None and LABELS_KEY not in request:
            evidence = await self._evidence(decoded, context)
        if evidence.remembered:
            outcome, answer, status, _, _ = self._decider.check(
                request, context.mono_ns, context.wall_ns
            )
            if outcome == "answer" and status == Status.OK:
                return answer
        return await self._answer(decoded, context, evidence.refused)

    async def _evidence(self, request: CheckRequest, context: Context) -> Evidence:
        deadline = self._deadline(context)
        turn = Turn(
            request, {}, context.mono_ns, context.wall_ns, deadline, None, self._services.workers
        )
        try:
            found = self._look_up(request, context)
            items = token_items(found) if isinstance(found, Ready) else ()
            async with asyncio.timeout_at(deadline):
                return await verified_token(items, turn)
        except (TimeoutError, Overloaded):
            pass  # the pipeline comes to the same end, and answers it
        except Exception:  # a defect: the pipeline's edge makes a denial of it
            logger.exception("a token could not be verified")
        return NOTHING

    async def _answer(
        self,
        request: CheckRequest,
        context: Context,
        refused: Mapping[str, Unauthenticated],
    ) -> bytes:
        request_id = "" if self._log is None else self._log.incoming(request)
        steps: list[Step] = []
        try:
            found = self._look_up(request, context)
            if isinstance(found, Ready):
                verdict = await self._counted(found, request, context, steps, refused)
            else:
                verdict = found
        except Exception:  # the check's edge: whatever went wrong, the answer is a denial
            logger.exception("check failed")
            verdict = answers.unavailable("internal error")
        self.metrics.answered(verdict.status)
        if self._log is not None:
            self._log.outgoing(request_id, steps, verdict)
        return verdict.answer

    async def dry_run(self, request: bytes, context: Context, note: Note) -> tuple[str, Verdict]:
        """The id of the AuthConfig, empty without one, and what `check` would decide; nothing is
        counted and no callback is sent. Raises RpcError as `check` does, and what a defect raises.
        """
        decoded = _decoded(request, context)
        found = self._look_up(decoded, context)
        if isinstance(found, Ready):
            deadline = self._deadline(context)
            pipeline = self._pipeline(found, decoded, context, deadline, note, dry_run=True)
            return found.opened.config.id, await _in_time(pipeline, deadline)
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

    async def _counted(
        self,
        ready: Ready,
        request: CheckRequest,
        context: Context,
        steps: list[Step],
        refused: Mapping[str, Unauthenticated],
    ) -> Verdict:
        """steps: filled where somebody reads them. refused: as for Pipeline."""
        config = ready.opened.config
        wanted = self._log is not None or any(entry.metrics for entry in config.entries)
        note = steps.append if wanted else None
        deadline = self._deadline(context)
        pipeline = self._pipeline(ready, request, context, deadline, note, refused=refused)
        began_ns = time.monotonic_ns()
        verdict = await _in_time(pipeline, deadline)
        if not verdict.skipped:
            took_ns = time.monotonic_ns() - began_ns
            self.metrics.decided(config, verdict.status, pipeline.document, steps, took_ns)
        if verdict.throttled:
            self.metrics.throttled(config, verdict.throttled)
        return verdict

    def _pipeline(
        self,
        ready: Ready,
        request: CheckRequest,
        context: Context,
        deadline: float | None,
        note: Note | None,
        *,
        dry_run: bool = False,
        refused: Mapping[str, Unauthenticated] = NOTHING.refused,
    ) -> Pipeline:
        return Pipeline(
            ready.opened,
            self._services,
            request,
            mono_ns=context.mono_ns,
            wall_ns=context.wall_ns,
            deadline=deadline,
            note=note,
            dry_run=dry_run,
            refused=refused,
        )

    def _deadline(self, context: Context) -> float | None:
        """In time of the event loop, whose clock is the monotonic one."""
        ends = [] if context.deadline_ns is None else [context.deadline_ns / 1e9]
        if self._timeout_s is not None:
            ends.append(asyncio.get_running_loop().time() + self._timeout_s)
        return min(ends, default=None)

    def _snapshot(self, generation: int) -> Snapshot | None:
        """The configuration that plan held, or the newest when it is not named or long gone."""
        for known, _, snapshot in reversed(self._snapshots):
            if known <= generation:
                return snapshot
        return self._snapshots[-1][2] if self._snapshots else None


async def _in_time(pipeline: Pipeline, deadline: float | None) -> Verdict:
    """The verdict, or 503: one that comes late is none (reference §3.8)."""
    try:
        async with asyncio.timeout_at(deadline):
            return await pipeline.run()
    except TimeoutError:
        return answers.unavailable("")
    except Overloaded as error:
        return answers.unavailable(str(error))


def _decoded(request: bytes, context: Context) -> CheckRequest:
    try:
        return decode_check_request(request, context.mono_ns, context.wall_ns)
    except WireError as error:
        status = Status.RESOURCE_EXHAUSTED if error.too_large else Status.INTERNAL
        raise RpcError(status, str(error)) from error
