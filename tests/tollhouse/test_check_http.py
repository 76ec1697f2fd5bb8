"""The listener for Check over plain HTTP, asked over sockets."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from tests.authz.lanes import Lanes
from tests.tollhouse.server_process import serving
from tollhouse.address import Address
from tollhouse.bounded_http import BoundedHttp, HttpBounds
from tollhouse.check_http import CheckHttp

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]
GET = b"GET /check HTTP/1.1\r\nHost: toys.com\r\n"
KEYS = {
    "apiKey": {"selector": {"matchLabels": {"app": "toys"}}},
    "credentials": {"authorizationHeader": {"prefix": "APIKEY"}},
}
CONFIG = """
apiVersion: authorino.kuadrant.io/v1beta3
kind: AuthConfig
metadata: {name: open, namespace: shop}
spec: {hosts: [toys.com], authentication: {anyone: {anonymous: {}}}}
"""


class Site:
    def __init__(self, port: int, lanes: Lanes) -> None:
        self._port = port
        self.lanes = lanes

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[Connection]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            yield reader, writer
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def exchange(self, data: bytes) -> bytes:
        """Everything that is answered until the connection closes."""
        async with self.connected() as (reader, writer):
            writer.write(data)
            return await asyncio.wait_for(reader.read(), 10)

    async def status(self, data: bytes) -> int:
        answer = await self.exchange(data)
        return int(answer.split(b" ", 2)[1]) if answer else 0

    async def ask(self, head: bytes, body: bytes = b"") -> int:
        """The status of a request whose head lacks its end."""
        return await self.status(head + b"Connection: close\r\n\r\n" + body)


@asynccontextmanager
async def listening(bounds: HttpBounds) -> AsyncIterator[Site]:
    lanes = Lanes()
    lanes.secret("alice", key="kk")
    assert lanes.config(authentication={"k": KEYS}) == []
    counted: list[tuple[str, ...]] = []
    check = CheckHttp(
        lanes.service.check_here,
        lambda *key: counted.append(key),
        lambda *call: None,
        most_body_bytes=10,
        bounds=bounds,
    )
    server = BoundedHttp(check, bounds)
    place = await server.start(Address("127.0.0.1", 0))
    try:
        yield Site(int(place.rpartition(":")[2]), lanes)
    finally:
        await server.stop()


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with listening(HttpBounds(connections=2)) as site:
        yield site


async def test_key_decides(site: Site) -> None:
    assert await site.ask(GET) == 401
    assert await site.ask(GET + b"Authorization: APIKEY zz\r\n") == 401
    assert await site.ask(GET + b"Authorization: APIKEY kk\r\n") == 200


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"PUT /check HTTP/1.1\r\nHost: toys.com\r\n", 404),
        (b"HEAD /check HTTP/1.1\r\nHost: toys.com\r\n", 404),
        (b"GET /check/ HTTP/1.1\r\nHost: toys.com\r\n", 404),
        (b"GET /%63heck HTTP/1.1\r\nHost: toys.com\r\n", 404),
        (b"GET /x/../check HTTP/1.1\r\nHost: toys.com\r\n", 404),
        (b"GET //check HTTP/1.1\r\nHost: toys.com\r\n", 404),
        (b"GET http://toys.com/check HTTP/1.1\r\nHost: other.com\r\n", 404),
        (b"GET /check HTTP/1.1\r\nHost: toys.com\r\nHost: other.com\r\n", 400),
        (b"GET /check HTTP/1.1\r\nHost: other.com\r\n", 404),
        (b"GET /check HTTP/1.0\r\n", 404),
        (b"GET /check HTTP/1.1\r\nHost: t\xc3\xb6ys.com\r\n", 404),
        (b"GET /check HTTP/1.1\r\nHost: \xff\xfe\r\n", 404),
        (GET + b"X: a\x00b\r\n", 400),
        (GET + b"X: " + b"a" * 20_000 + b"\r\n", 400),
        (GET + b"".join(b"X-%d: 1\r\n" % n for n in range(200)), 400),
        (GET + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n", 400),
        (b"GET /check/x-forwarded HTTP/1.1\r\nHost: toys.com\r\n", 400),
        (b"\x16\x03\x01", 400),
    ],
)
async def test_hostile_requests_are_refused(
    site: Site, head: bytes, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    assert await site.ask(head + b"Authorization: APIKEY kk\r\n") == status
    assert caplog.text == "", "a peer could fill the log"


async def test_failure_of_ours_is_no_yes(caplog: pytest.LogCaptureFixture) -> None:
    async def fails(request: web.BaseRequest) -> web.Response:
        raise ZeroDivisionError

    server = BoundedHttp(fails)
    place = await server.start(Address("127.0.0.1", 0))
    assert await Site(int(place.rpartition(":")[2]), Lanes()).ask(GET) == 503
    await server.stop()
    assert "ZeroDivisionError" in caplog.text


async def test_value_cannot_end_its_header(site: Site) -> None:
    headers = {"x-said": {"plain": {"selector": "request.body"}}}
    assert site.lanes.config(response={"success": {"headers": headers}}) == []
    head = b"POST /check HTTP/1.1\r\nHost: toys.com\r\nConnection: close\r\nContent-Length: 9"
    answer = await site.exchange(head + b"\r\n\r\na\r\nb: c\xe2\x98")
    assert answer.startswith(b"HTTP/1.1 200 ")
    for body in (b"a\r\nb: c\xc3\xa9", b"a\n\nb: c\xc3\xa9"):
        answer = await site.exchange(head + b"\r\n\r\n" + body)
        assert b"\r\nx-said: a  b: c\xc3\xa9\r\n" in answer


async def test_bodies_are_bounded(site: Site) -> None:
    post = b"POST /check HTTP/1.1\r\nHost: toys.com\r\nAuthorization: APIKEY kk\r\n"
    assert await site.ask(post + b"Content-Length: 10\r\n", b"x" * 10) == 200
    assert await site.ask(post + b"Content-Length: 11\r\n", b"x" * 11) == 413
    chunks = b"5\r\nxxxxx\r\n" * 3 + b"0\r\n\r\n"
    assert await site.ask(post + b"Transfer-Encoding: chunked\r\n", chunks) == 413
    # Not unpacked, so a small bomb stays small.
    assert await site.ask(post + b"Content-Encoding: gzip\r\nContent-Length: 2\r\n", b"xx") == 200


async def test_connections_past_the_bound_are_closed(site: Site) -> None:
    async with site.connected(), site.connected():
        try:
            answer = await site.exchange(GET + b"\r\n")
        except ConnectionError:
            answer = b""
        assert answer == b""


async def test_slow_peers_are_given_up() -> None:
    bounds = HttpBounds(idle_seconds=0.05, body_seconds=0.05)
    async with listening(bounds) as site:
        assert await site.exchange(GET) == b""
        slow = b"POST /check HTTP/1.1\r\nHost: toys.com\r\nContent-Length: 9\r\n\r\nx"
        assert await site.status(slow) == 408


@pytest.mark.slow
def test_listener_opens_with_the_first_auth_config(tmp_path: Path) -> None:
    (tmp_path / "none.yaml").write_text("")
    with serving(str(tmp_path), "--authz-http-listen", "127.0.0.1:0") as server:
        assert "HTTP authorization on" not in server.log
        (tmp_path / "open.yaml").write_text(CONFIG)
        host, port = server.told(r"HTTP authorization on (\S+)").split(":")

        async def ask() -> bytes:
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(GET + b"Connection: close\r\n\r\n")
            answer = await reader.read()
            writer.close()
            await writer.wait_closed()
            return answer

        assert asyncio.run(ask()).startswith(b"HTTP/1.1 200 ")
