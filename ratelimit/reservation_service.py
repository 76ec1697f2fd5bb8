"""Kuadrant's Reserve and Commit over gRPC, in the full lane.

Reserve admits an amount as ShouldRateLimit would and holds it; Commit reports the real amount and
gives back what was held. Reported first, so that nobody gets in between.
"""

import logging
from typing import TypeVar

from google.protobuf.message import DecodeError, Message

from _fastpath.clock import Clock
from _fastpath.counters import Mode
from _fastpath.rls import MALFORMED, UNAVAILABLE_DETAIL
from _fastpath.rls_message import Code, RateLimitRequest
from _fastpath.rpc import Context, Method, RpcError, Status, UnaryMethod
from protos.generated.kuadrantrls_pb2 import (
    CommitRequest,
    CommitResponse,
    ReserveRequest,
    ReserveResponse,
)
from ratelimit.decision import Decision, decide
from ratelimit.errors import StoreUnavailable
from ratelimit.reservations import MOST_HELD, Reservations, TooManyReservations
from ratelimit.selection import Entries
from ratelimit.service import KUADRANT, RateLimitService, decode, entries

logger = logging.getLogger(__name__)

M = TypeVar("M", bound=Message)

FULL = "as many reservations are held as may be"


class ReservationService:
    """Decides over the limits and counters of `service`, and counts in its metrics."""

    def __init__(self, service: RateLimitService, reservations: Reservations) -> None:
        self._service = service
        self._reservations = reservations

    def methods(self) -> list[Method]:
        return [
            UnaryMethod(f"/{KUADRANT}/Reserve", self.reserve),
            UnaryMethod(f"/{KUADRANT}/Commit", self.commit),
        ]

    async def reserve(self, data: bytes, context: Context) -> bytes:
        # Domain and descriptors have the numbers that they have in a RateLimitRequest.
        request, asked = decode(data), _read(ReserveRequest, data)
        if not request.domain:
            return ReserveResponse().SerializeToString()
        try:
            self._reservations.ensure_room()
        except TooManyReservations:
            raise RpcError(Status.RESOURCE_EXHAUSTED, FULL) from None
        descriptors = entries(request)
        clock = Clock(context.mono_ns, context.wall_ns)
        try:
            amount = min(asked.amount, MOST_HELD)
            decision = await self._decide(
                request, descriptors, amount, Mode.CHECK_AND_ADD, context.generation, clock
            )
            identifier = ""
            if not decision.over_limit:
                charged = [
                    (outcome.hit, outcome.verdict.reset_ns)
                    for outcome in decision.outcomes
                    if outcome.hit is not None
                ]
                ttl_ns = asked.ttl.ToNanoseconds() if asked.HasField("ttl") else None
                identifier = await self._reservations.hold(request.domain, charged, ttl_ns, clock)
        except StoreUnavailable as error:
            raise RpcError(Status.UNAVAILABLE, UNAVAILABLE_DETAIL) from error
        self._service.count_call(request.domain, descriptors, decision, None)
        code = Code.OVER_LIMIT if decision.over_limit else Code.OK
        return ReserveResponse(code=code, reservation_id=identifier).SerializeToString()

    async def commit(self, data: bytes, context: Context) -> bytes:
        request, asked = decode(data), _read(CommitRequest, data)
        if not request.domain:
            return CommitResponse().SerializeToString()
        descriptors = entries(request)
        clock = Clock(context.mono_ns, context.wall_ns)
        try:
            await self._decide(
                request, descriptors, asked.actual_amount, Mode.ADD, context.generation, clock
            )
        except StoreUnavailable as error:
            raise RpcError(Status.UNAVAILABLE, UNAVAILABLE_DETAIL) from error
        released = await self._settle(asked.reservation_id, request.domain)
        self._service.count_report(request.domain, descriptors, asked.actual_amount)
        return CommitResponse(reservation_released=released).SerializeToString()

    async def _settle(self, identifier: str, domain: str) -> bool:
        """What was used is charged, so the call has succeeded whatever becomes of the hold."""
        try:
            return await self._reservations.settle(identifier, domain)
        except StoreUnavailable as error:
            logger.debug("a reservation stays until its time is up: %s", error)
            return False

    async def _decide(
        self,
        request: RateLimitRequest,
        descriptors: list[Entries],
        amount: int,
        mode: Mode,
        generation: int,
        clock: Clock,
    ) -> Decision:
        service = self._service
        limits = service.active.at(generation).candidates(request.domain, descriptors)
        decision = await decide(limits, descriptors, lambda _: amount, mode, service.store, clock)
        service.count_failures(request.domain, decision)
        return decision


def _read(kind: type[M], data: bytes) -> M:
    try:
        return kind.FromString(data)
    except DecodeError as error:
        raise RpcError(Status.INTERNAL, MALFORMED) from error
