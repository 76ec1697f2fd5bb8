"""envoy.service.auth.v3.Authorization: the full lane behind the native handler."""

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
from _fastpath.identity import IdentityTable
from _fastpath.rpc import Context, Method, RpcError, Status, UnaryMethod
from authz.configuration import Snapshot
from authz.pipeline import Pipeline

logger = logging.getLogger("tollhouse.authz")

CHECK = "/envoy.service.auth.v3.Authorization/Check"
KEEP_NS = 60 * 10**9  # a deferred request is far younger than this
OVERLOADED = "too many requests are waiting"


def _unavailable(reason: str) -> bytes:
    return encode_check_response(Status.UNAVAILABLE, http_status=503, reason=reason)


class AuthorizationService:
    """Decides what the native lane defers, and everything on a transport without it.

    `publish` and the handler run on the event loop.
    """

    def __init__(
        self, decider: CheckDecider, identities: IdentityTable, series: Series, threads: int
    ) -> None:
        self._decider = decider
        self._identities = identities
        self._series = series
        self._thread = threads
        self._snapshots: deque[tuple[int, int, Snapshot]] = deque()

    def publish(self, generation: int, snapshot: Snapshot, mono_ns: int) -> None:
        """Remember what plan `generation` means; older ones are kept for a minute."""
        self._snapshots.append((generation, mono_ns, snapshot))
        while len(self._snapshots) > 1 and self._snapshots[1][1] < mono_ns - KEEP_NS:
            self._snapshots.popleft()

    def methods(self) -> list[Method]:
        overload = _unavailable(OVERLOADED)
        return [UnaryMethod(CHECK, self.check, native=self._decider.check, overload=overload)]

    async def check(self, request: bytes, context: Context) -> bytes:
        """Raises RpcError only for bytes that are no CheckRequest."""
        try:
            decoded = decode_check_request(request, context.mono_ns, context.wall_ns)
        except WireError as error:
            status = Status.RESOURCE_EXHAUSTED if error.too_large else Status.INTERNAL
            raise RpcError(status, str(error)) from error
        try:
            status, answer = self._decide(decoded, context.generation)
        except Exception:  # the check's edge: whatever went wrong, the answer is a denial
            logger.exception("check failed")
            status, answer = Status.UNAVAILABLE, _unavailable("internal error")
        self._count("auth_server_response_status", status.name)
        return answer

    def _decide(self, request: CheckRequest, generation: int) -> tuple[Status, bytes]:
        if not request.has_http:
            answer = encode_check_response(
                Status.INVALID_ARGUMENT, http_status=400, reason=INVALID_REQUEST
            )
            return Status.INVALID_ARGUMENT, answer
        snapshot = self._snapshot(generation)
        if snapshot is None:
            return Status.UNAVAILABLE, _unavailable(NOT_READY)
        found = snapshot.find(request.host)
        if found is None:
            answer = encode_check_response(
                Status.NOT_FOUND, http_status=404, reason=SERVICE_NOT_FOUND
            )
            return Status.NOT_FOUND, answer
        if isinstance(found, str):
            return Status.UNAVAILABLE, _unavailable(found)
        config = found.config
        pipeline = Pipeline(config, found.key_sets, self._identities, request)
        verdict = pipeline.run()
        place = config.namespace, config.name
        if not verdict.skipped:
            self._count("auth_server_authconfig_total", *place)
            self._count("auth_server_authconfig_response_status", *place, verdict.status.name)
        for evaluator, outcome in pipeline.turns:
            labels = *place, evaluator.kind, evaluator.name
            self._count(f"auth_server_evaluator_{outcome}", *labels)
        return verdict.status, verdict.answer

    def _snapshot(self, generation: int) -> Snapshot | None:
        """The configuration that plan held, or the newest when it is not named or long gone."""
        for known, _, snapshot in reversed(self._snapshots):
            if known <= generation:
                return snapshot
        return self._snapshots[-1][2] if self._snapshots else None

    def _count(self, *key: str) -> None:
        self._series.add(self._thread, self._series.id(key), 1)
