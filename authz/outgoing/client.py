"""The HTTP client of all evaluators: pooled connections, and a bound on everything."""

import asyncio
import base64
import contextlib
import socket
import ssl
from collections import Counter
from collections.abc import Awaitable, Callable, Hashable, Iterator
from pathlib import Path
from typing import TypeVar

from aiohttp import (
    ClientError,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    DummyCookieJar,
    TCPConnector,
)
from multidict import CIMultiDict
from yarl import URL

from authz.outgoing.bounds import OutgoingBounds
from authz.outgoing.destination import Destination, DestinationTable
from authz.outgoing.errors import (
    ConnectionFailed,
    OutgoingError,
    ResponseTooLarge,
    TimedOut,
)
from authz.outgoing.guard import Guard, GuardedResolver
from authz.outgoing.message import OutgoingRequest, OutgoingResponse, checked_headers
from authz.outgoing.redirect import Hop, next_hop
from authz.outgoing.single_flight import SingleFlight
from authz.outgoing.url import checked_url

T = TypeVar("T")
IDLE_S = 30.0  # a pooled connection is closed after so long without a call
NAMES_S = 10  # resolved names are remembered so long


class Outgoing:
    """One per process, used on its event loop. Proxy variables and cookies have no effect.

    `outcomes` counts calls as "answered" or by the `outcome` of their error.
    """

    def __init__(self, bounds: OutgoingBounds | None = None) -> None:
        self.bounds = bounds or OutgoingBounds()
        self.outcomes: Counter[str] = Counter()
        self.destinations = DestinationTable(self.bounds)
        self._guard = Guard(self.bounds.allowed)
        self._resolver = GuardedResolver(self._guard)
        self._flights = SingleFlight()
        self._tls: ssl.SSLContext | None = None
        self._session: ClientSession | None = None

    async def send(
        self, request: OutgoingRequest, deadline: float | None = None
    ) -> OutgoingResponse:
        """The whole answer, whatever its status. `deadline`: time of the event loop at which the
        caller gives up. Raises OutgoingError."""
        try:
            response = await self._followed(request, self.end(request.timeout_s, deadline))
        except OutgoingError as error:
            self.outcomes[error.outcome] += 1
            raise
        self.outcomes["answered"] += 1
        return response

    async def shared(self, key: Hashable, call: Callable[[], Awaitable[T]]) -> T:
        """Make equal calls at the same time once. A caller that is cancelled, or has had enough of
        waiting, does not end the call for the others."""
        return await self._flights.shared(key, call)

    async def guarded(self, url: URL, end: float, exchange: Callable[[], Awaitable[T]]) -> T:
        """Make one exchange with the host of `url`, as often and as long as the bounds say.

        For protocols that bring a client of their own. `end` is a time of the event loop. Raises
        OutgoingError; `exchange` tells a broken connection by raising ConnectionFailed.
        """
        self._guard.check_host(url.raw_host or "")
        destination = self.destinations.find(url)
        try:
            async with asyncio.timeout_at(end), destination.turn():
                with self._judged(destination):
                    return await exchange()
        except TimeoutError:
            raise TimedOut from None

    async def addresses(self, host: str) -> list[str]:
        """IP addresses that `host` may be reached at. Raises OutgoingError."""
        try:
            found = await self._resolver.resolve(host, family=socket.AF_UNSPEC)
        except OSError as error:
            raise ConnectionFailed from error
        return [result["host"] for result in found]

    async def trust(self, tls: ssl.SSLContext) -> None:
        """From now on, instead of the system's authorities and `OutgoingBounds.ca_file`; open
        connections end."""
        await self.close()
        self._tls = tls

    async def close(self) -> None:
        await self._resolver.close()
        if self._session is not None:
            await self._session.close()
            self._session = None

    def end(self, timeout_s: float | None, deadline: float | None) -> float:
        now = asyncio.get_running_loop().time()
        ends = [now + (self.bounds.longest_seconds if timeout_s is None else timeout_s)]
        return min(ends if deadline is None else [*ends, deadline])

    async def _followed(self, request: OutgoingRequest, end: float) -> OutgoingResponse:
        url = checked_url(request.url)
        headers = _authorized(checked_headers(request.headers), url)
        hop = Hop(request.method, url.with_user(None), headers, request.body)
        left = self.bounds.redirects if request.follow_redirects else 0
        while True:
            response = await self._called(hop, end)
            following = next_hop(hop, response, left) if request.follow_redirects else None
            if following is None:
                return response
            hop, left = following, left - 1

    async def _called(self, hop: Hop, end: float) -> OutgoingResponse:
        """One request and its answer."""
        return await self.guarded(hop.url, end, lambda: self._exchanged(hop))

    @contextlib.contextmanager
    def _judged(self, destination: Destination) -> Iterator[None]:
        """Tell the circuit of the outcome."""
        circuit = destination.circuit
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            yield
        except ConnectionFailed:
            circuit.failed(loop.time())
            raise
        except asyncio.CancelledError:
            if loop.time() - began >= self.bounds.circuit.slow_seconds:
                circuit.failed(loop.time())
            else:
                circuit.abandoned()
            raise
        except BaseException:
            circuit.abandoned()
            raise
        circuit.succeeded()

    async def _exchanged(self, hop: Hop) -> OutgoingResponse:
        session = self._opened()
        try:
            async with session.request(
                hop.method,
                hop.url,
                headers=hop.headers,
                data=hop.body,
                allow_redirects=False,
                skip_auto_headers=("Content-Type", "User-Agent"),
            ) as answer:
                if answer.headers.get("Content-Encoding", "identity") != "identity":
                    raise ConnectionFailed
                body = await self._body(answer)
                return OutgoingResponse(answer.status, answer.reason or "", _joined(answer), body)
        except (ClientError, OSError, ValueError) as error:
            raise ConnectionFailed from error

    async def _body(self, answer: ClientResponse) -> bytes:
        most = self.bounds.response_bytes
        if (answer.content_length or 0) > most:
            raise ResponseTooLarge
        body = bytearray()
        async for chunk in answer.content.iter_any():
            body += chunk
            if len(body) > most:
                raise ResponseTooLarge
        return bytes(body)

    def _opened(self) -> ClientSession:
        """The session belongs to the event loop, so it is made by the first call."""
        if self._session is None:
            connector = TCPConnector(
                resolver=self._resolver,
                ssl=self._tls or _trusting(self.bounds.ca_file),
                limit=self.bounds.connections,
                ttl_dns_cache=NAMES_S,
                keepalive_timeout=IDLE_S,
            )
            self._session = ClientSession(
                connector=connector,
                cookie_jar=DummyCookieJar(),
                timeout=ClientTimeout(total=None, connect=None),
                auto_decompress=False,
                trust_env=False,
            )
        return self._session


def _trusting(ca_file: Path | None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if ca_file is not None:
        context.load_verify_locations(ca_file)
    return context


def _authorized(headers: CIMultiDict[str], url: URL) -> CIMultiDict[str]:
    """The user and password of a URL go as a header of their own (RFC 7617)."""
    if url.user is not None and "Authorization" not in headers:
        credential = f"{url.user}:{url.password or ''}".encode()
        headers["Authorization"] = f"Basic {base64.b64encode(credential).decode()}"
    return headers


def _joined(answer: ClientResponse) -> dict[str, str]:
    headers: dict[str, str] = {}
    for name, value in answer.headers.items():
        before = headers.get(name.lower())
        headers[name.lower()] = value if before is None else f"{before}, {value}"
    return headers
