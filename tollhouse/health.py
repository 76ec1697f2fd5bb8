"""grpc.health.v1: Check, List and Watch over the health that the program states.

Used on the event loop only. A watcher is told the newest status; one that came and went while
its stream was blocked is not replayed.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable

from google.protobuf.message import DecodeError
from grpc_health.v1 import health_pb2

from _fastpath.rpc import Context, Method, RpcError, Status, StreamMethod, UnaryMethod

SERVICE = "grpc.health.v1.Health"
OVERALL = ""

UNKNOWN_SERVICE: int = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
SERVING: int = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING: int = health_pb2.HealthCheckResponse.NOT_SERVING


class Health:
    """Whether this process serves, per gRPC service and overall (the empty name).

    Everything starts as NOT_SERVING.
    """

    def __init__(self, services: Iterable[str]) -> None:
        self._states: dict[str, int] = dict.fromkeys((OVERALL, *services), NOT_SERVING)
        self._ended = False
        self._watchers: set[asyncio.Event] = set()

    def serving(self, serves: bool) -> None:
        """State it for all services and wake the watchers."""
        self._states = dict.fromkeys(self._states, SERVING if serves else NOT_SERVING)
        self._wake()

    def end(self) -> None:
        """State NOT_SERVING and end the streams of all watchers once they were told."""
        self._ended = True
        self.serving(False)

    def _wake(self) -> None:
        for watcher in self._watchers:
            watcher.set()

    def methods(self) -> list[Method]:
        return [
            UnaryMethod(f"/{SERVICE}/Check", self._check),
            UnaryMethod(f"/{SERVICE}/List", self._list),
            StreamMethod(f"/{SERVICE}/Watch", self._watch),
        ]

    async def _check(self, request: bytes, context: Context) -> bytes:
        state = self._states.get(_service(request))
        if state is None:
            raise RpcError(Status.NOT_FOUND, "unknown service")
        return _response(state)

    async def _list(self, request: bytes, context: Context) -> bytes:
        statuses = {
            name: health_pb2.HealthCheckResponse(status=state)
            for name, state in self._states.items()
        }
        return bytes(health_pb2.HealthListResponse(statuses=statuses).SerializeToString())

    async def _watch(
        self, requests: AsyncIterator[bytes], context: Context
    ) -> AsyncIterator[bytes]:
        service = _service(await _only(requests))
        changed = asyncio.Event()
        self._watchers.add(changed)
        try:
            told: int | None = None
            while True:
                changed.clear()
                state = self._states.get(service, UNKNOWN_SERVICE)
                if state != told:
                    told = state
                    yield _response(state)
                    continue
                if self._ended:
                    raise RpcError(Status.UNAVAILABLE, "server is shutting down")
                await changed.wait()
        finally:
            self._watchers.discard(changed)


def _response(state: int) -> bytes:
    return bytes(health_pb2.HealthCheckResponse(status=state).SerializeToString())


def _service(request: bytes) -> str:
    try:
        return str(health_pb2.HealthCheckRequest.FromString(request).service)
    except DecodeError:
        raise RpcError(Status.INTERNAL, "the request is no HealthCheckRequest") from None


async def _only(requests: AsyncIterator[bytes]) -> bytes:
    async for request in requests:
        return request
    raise RpcError(Status.INTERNAL, "the call carries no request")
