"""gRPC to other servers, within the same bounds as HTTP: pooled channels, guarded addresses."""

import asyncio
import ssl
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import grpc
import grpc.aio

from authz.outgoing.client import Outgoing
from authz.outgoing.endpoint import Endpoint
from authz.outgoing.errors import ConnectionFailed, OutgoingError, TimedOut

T = TypeVar("T")
MOST_CHANNELS = 256
LARGEST_MESSAGE = 1 << 20


class GrpcChannels:
    """One channel per endpoint, used on the event loop of `outgoing`. A channel that lost its
    connection is replaced by one to the addresses that the host has then."""

    def __init__(self, outgoing: Outgoing) -> None:
        self._outgoing = outgoing
        self._channels: OrderedDict[Endpoint, grpc.aio.Channel] = OrderedDict()
        self._roots: bytes | None = None

    async def call(
        self,
        endpoint: Endpoint,
        method: Callable[[grpc.aio.Channel], Awaitable[T]],
        timeout_s: float | None,
        deadline: float | None,
    ) -> T:
        """What `method` gives, which makes one call on the channel it gets. `deadline`: time of the
        event loop at which the caller gives up. Raises OutgoingError, and grpc.aio.AioRpcError for
        an answer of the server that is an error."""

        async def exchange() -> T:
            channel = await self._channel(endpoint)
            try:
                return await method(channel)
            except asyncio.CancelledError as error:
                if _is_cancelled():
                    raise
                raise ConnectionFailed from error  # the channel was closed meanwhile
            except grpc.aio.AioRpcError as error:
                if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
                    raise TimedOut from error
                if error.code() is not grpc.StatusCode.UNAVAILABLE:
                    raise
                if channel.get_state() is not grpc.ChannelConnectivity.READY:
                    await self._drop(endpoint, channel)
                raise ConnectionFailed from error

        end, outcomes = self._outgoing.end(timeout_s, deadline), self._outgoing.outcomes
        try:
            answer = await self._outgoing.guarded(endpoint.url, end, exchange)
        except OutgoingError as error:
            outcomes[error.outcome] += 1
            raise
        except grpc.aio.AioRpcError:
            outcomes["answered"] += 1
            raise
        outcomes["answered"] += 1
        return answer

    async def close(self) -> None:
        channels, self._channels = self._channels, OrderedDict()
        for channel in channels.values():
            await channel.close(None)

    async def _channel(self, endpoint: Endpoint) -> grpc.aio.Channel:
        if endpoint not in self._channels:
            addresses = await self._outgoing.addresses(endpoint.host)
            if endpoint not in self._channels:
                self._channels[endpoint] = self._opened(endpoint, addresses)
                await self._drop_oldest()
        self._channels.move_to_end(endpoint)
        return self._channels[endpoint]

    def _opened(self, endpoint: Endpoint, addresses: list[str]) -> grpc.aio.Channel:
        options = [
            ("grpc.default_authority", endpoint.authority),
            ("grpc.max_receive_message_length", LARGEST_MESSAGE),
            ("grpc.use_local_subchannel_pool", 1),
            ("grpc.enable_http_proxy", 0),
            ("grpc.service_config_disable_resolution", 1),
        ]
        target = _target(addresses, endpoint.port)
        if endpoint.insecure:
            return grpc.aio.insecure_channel(target, options)
        options.append(("grpc.ssl_target_name_override", endpoint.host))
        if self._roots is None:
            self._roots = _system_authorities(self._outgoing.bounds.ca_file)
        credentials = grpc.ssl_channel_credentials(root_certificates=self._roots)
        return grpc.aio.secure_channel(target, credentials, options)

    async def _drop(self, endpoint: Endpoint, channel: grpc.aio.Channel) -> None:
        if self._channels.get(endpoint) is channel:
            del self._channels[endpoint]
            await channel.close(None)

    async def _drop_oldest(self) -> None:
        if len(self._channels) > MOST_CHANNELS:
            _, channel = self._channels.popitem(last=False)
            await channel.close(None)


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _target(addresses: list[str], port: int) -> str:
    """gRPC takes addresses of one family; those of IPv4 go first, as for HTTP."""
    ipv4 = [f"{address}:{port}" for address in addresses if ":" not in address]
    if ipv4:
        return f"ipv4:{','.join(ipv4)}"
    return f"ipv6:{','.join(f'[{address}]:{port}' for address in addresses)}"


def _system_authorities(ca_file: Path | None) -> bytes:
    """What OpenSSL trusts on this machine, and `ca_file`; gRPC would bring a list of its own."""
    context = ssl.create_default_context()
    if ca_file is not None:
        context.load_verify_locations(ca_file)
    found = context.get_ca_certs(binary_form=True)
    return "".join(map(ssl.DER_cert_to_PEM_cert, found)).encode()
