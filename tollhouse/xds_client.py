"""One type of resource over ADS, state of the world: asks, takes over, acknowledges."""

import asyncio
import contextlib
import logging
import random
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import grpc
from envoy.config.core.v3 import base_pb2
from envoy.service.discovery.v3 import ads_pb2_grpc, discovery_pb2
from google.protobuf.any_pb2 import Any as AnyMessage

from tollhouse.ratelimit_settings import XdsSettings

logger = logging.getLogger(__name__)

KEEPALIVE_MS = 30_000  # a server that is gone without a word is noticed
REFUSED = 3  # INVALID_ARGUMENT, in the error of a NACK

Take = Callable[[Sequence[AnyMessage]], Awaitable[str | None]]
"""Takes over a whole state; returns why not."""


class XdsClient:
    """Follows a management server from `start` to `stop`. Used on the event loop.

    A stream that ends is opened again after a wait that doubles from backoff_initial to
    backoff_max, and begins anew once a response came. What is refused is answered with a NACK, and
    the version in force stays.
    """

    def __init__(
        self,
        settings: XdsSettings,
        type_url: str,
        take: Take,
        *,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._settings = settings
        self._type_url = type_url
        self._take = take
        self._pause = pause
        self._version = ""
        self._failures = 0
        self._answered = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._follow(), name="xds")

    async def answered(self) -> None:
        """Wait for the first response, whether it could be taken over or not."""
        await self._answered.wait()

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _follow(self) -> None:
        while True:
            try:
                async with self._channel() as channel:
                    await self._stream(channel)
                complaint = "the stream ended"
            except grpc.aio.AioRpcError as error:
                complaint = f"{error.code().name}: {error.details()}"
            except OSError as error:
                complaint = f"{error.filename}: {error.strerror}"
            seconds = self._wait_seconds()
            self._failures += 1
            logger.error(
                "xDS server %s: %s; next try in %.1f s", self._settings.server, complaint, seconds
            )
            await self._pause(seconds)

    def _wait_seconds(self) -> float:
        settings = self._settings
        longest = settings.backoff_initial * 2.0 ** min(self._failures, 32)
        longest = min(longest, settings.backoff_max)
        if not settings.backoff_jitter:
            return longest
        return random.uniform(longest / 2, longest)

    def _channel(self) -> grpc.aio.Channel:
        """Raises OSError for a certificate that cannot be read."""
        settings = self._settings
        options: list[tuple[str, Any]] = [("grpc.keepalive_time_ms", KEEPALIVE_MS)]
        if settings.max_message_bytes:
            options.append(("grpc.max_receive_message_length", settings.max_message_bytes))
        if not settings.tls:
            return grpc.aio.insecure_channel(settings.server, options)
        if settings.server_name:
            options.append(("grpc.ssl_target_name_override", settings.server_name))
        credentials = grpc.ssl_channel_credentials(
            _content(settings.authority), _content(settings.key), _content(settings.certificate)
        )
        return grpc.aio.secure_channel(settings.server, credentials, options)

    async def _stream(self, channel: grpc.aio.Channel) -> None:
        """Until the server ends it. Raises AioRpcError."""
        stub = ads_pb2_grpc.AggregatedDiscoveryServiceStub(channel)
        headers = tuple((name.lower(), value) for name, value in self._settings.headers.items())
        call = stub.StreamAggregatedResources(metadata=headers)
        # A server that is asked anew sends the state whatever version it hears.
        await call.write(self._request(nonce=""))
        async for response in call:
            complaint = await self._take(response.resources)
            self._failures = 0
            if complaint is None:
                self._version = response.version_info
            await call.write(self._request(nonce=response.nonce, complaint=complaint))
            self._answered.set()

    def _request(
        self, *, nonce: str, complaint: str | None = None
    ) -> discovery_pb2.DiscoveryRequest:
        """The first one with an empty nonce; an ACK, or with a complaint a NACK."""
        settings = self._settings
        node = base_pb2.Node(id=settings.node_id, user_agent_name="tollhouse")
        node.metadata.update(dict(settings.node_metadata))
        request = discovery_pb2.DiscoveryRequest(
            node=node,
            type_url=self._type_url,
            version_info=self._version,
            response_nonce=nonce,
        )
        if complaint is not None:
            request.error_detail.code = REFUSED
            request.error_detail.message = complaint
        return request


def _content(path: Path | None) -> bytes | None:
    return path.read_bytes() if path is not None else None
