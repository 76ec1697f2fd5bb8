"""A small ADS server: sends what it is told, keeps what it is asked."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import grpc
from envoy.service.discovery.v3 import ads_pb2_grpc, discovery_pb2
from google.protobuf.any_pb2 import Any as AnyMessage

from protos.generated import ratelimit_config_pb2
from ratelimit.descriptors.xds_resource import TYPE_URL

PATIENCE_SECONDS = 20.0


def domain(name: str, requests: int, *, unit: int = 3) -> ratelimit_config_pb2.RateLimitConfig:
    """One domain with a limit per value of `a`; unit 3 is the hour."""
    config = ratelimit_config_pb2.RateLimitConfig(name=f"of {name}", domain=name)
    limit = config.descriptors.add(key="a").rate_limit
    limit.requests_per_unit = requests
    limit.unit = unit
    return config


class ManagementServer(ads_pb2_grpc.AggregatedDiscoveryServiceServicer):
    """requests: all that came, in order. headers: those of the newest stream."""

    def __init__(self) -> None:
        self.requests: asyncio.Queue[Any] = asyncio.Queue()
        self.headers: dict[str, str] = {}
        self.streams = 0
        self._responses: asyncio.Queue[Any] = asyncio.Queue()
        self._sent = 0

    def send(self, configs: Sequence[Any], *, version: str, type_url: str = TYPE_URL) -> None:
        self._sent += 1
        resources = [
            AnyMessage(type_url=type_url, value=config.SerializeToString()) for config in configs
        ]
        self._responses.put_nowait(
            discovery_pb2.DiscoveryResponse(
                version_info=version, nonce=str(self._sent), type_url=TYPE_URL, resources=resources
            )
        )

    def end_stream(self) -> None:
        self._responses.put_nowait(None)

    async def asked(self) -> Any:
        return await asyncio.wait_for(self.requests.get(), PATIENCE_SECONDS)

    async def StreamAggregatedResources(  # the name is gRPC's
        self, request_iterator: AsyncIterator[Any], context: Any
    ) -> AsyncIterator[Any]:
        self.streams += 1
        self.headers = dict(context.invocation_metadata())
        reading = asyncio.create_task(self._read(request_iterator))
        try:
            while (response := await self._responses.get()) is not None:
                yield response
        finally:
            reading.cancel()

    async def _read(self, requests: AsyncIterator[Any]) -> None:
        async for request in requests:
            self.requests.put_nowait(request)


@asynccontextmanager
async def management_server(port: int = 0) -> AsyncIterator[tuple[ManagementServer, str]]:
    """The server and its address."""
    servicer = ManagementServer()
    server = grpc.aio.server()
    ads_pb2_grpc.add_AggregatedDiscoveryServiceServicer_to_server(servicer, server)
    bound = server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    try:
        yield servicer, f"127.0.0.1:{bound}"
    finally:
        await server.stop(None)
