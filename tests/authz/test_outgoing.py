"""Outgoing calls: what is sent, what is refused, and that everything is bounded."""

import asyncio
import datetime
import random
import re
import socket
import ssl
from collections import Counter
from collections.abc import AsyncIterator
from ipaddress import ip_address, ip_network
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st

from authz.outgoing.bounds import CircuitBounds, Destinations, OutgoingBounds
from authz.outgoing.client import Outgoing
from authz.outgoing.errors import (
    BadRequest,
    CircuitOpen,
    ConnectionFailed,
    DestinationBusy,
    DestinationRefused,
    OutgoingError,
    RedirectRefused,
    ResponseTooLarge,
    TimedOut,
)
from authz.outgoing.message import OutgoingRequest, OutgoingResponse
from authz.outgoing.metrics import OutgoingCollector
from authz.outgoing.url import checked_url
from tests.authz.http_backend import Backend, http_backend


@pytest.fixture
async def outgoing() -> AsyncIterator[Outgoing]:
    outgoing = Outgoing()
    yield outgoing
    await outgoing.close()


async def _sent(bounds: OutgoingBounds, request: OutgoingRequest) -> OutgoingResponse:
    outgoing = Outgoing(bounds)
    try:
        return await outgoing.send(request)
    finally:
        await outgoing.close()


async def _raw_server(answer: bytes) -> tuple[asyncio.Server, str]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    return server, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"


# ---- what goes out and comes back


async def test_an_answer_whatever_its_status(backend: Backend, outgoing: Outgoing) -> None:
    backend.says("/x", {"a": 1}, status=503, X_Two="b")
    answer = await outgoing.send(OutgoingRequest("GET", f"{backend.url}/x"))
    assert (answer.status, answer.reason) == (503, "Service Unavailable")
    assert answer.headers["x-two"] == "b"
    assert answer.headers["content-type"].startswith("application/json")
    assert answer.body == b'{"a": 1}'


async def test_target_headers_and_body_go_as_they_are(backend: Backend, outgoing: Outgoing) -> None:
    backend.says("/u/a%20b//../c", "")
    headers = (("X-A", " b "), ("x-a", "c"), ("Content-Type", "text/x"))
    url = f"{backend.url}/u/a%20b//../c?c=d&e?n=3+4#gone"
    await outgoing.send(OutgoingRequest("POST", url, headers, b"body"))
    seen = backend.seen[0]
    assert (seen.method, seen.target, seen.body) == ("POST", "/u/a%20b//../c?c=d&e?n=3+4", b"body")
    assert (seen.headers["x-a"], seen.headers["content-type"]) == ("c", "text/x")
    assert seen.headers["accept-encoding"] == "identity"
    assert "user-agent" not in seen.headers


async def test_a_user_in_the_url_is_basic_authentication(
    backend: Backend, outgoing: Outgoing
) -> None:
    url = backend.url.replace("//", "//cid:s%3A3cret@")
    await outgoing.send(OutgoingRequest("GET", url))
    await outgoing.send(OutgoingRequest("GET", url, (("authorization", "own"),)))
    assert [seen.headers["authorization"] for seen in backend.seen] == [
        "Basic Y2lkOnM6M2NyZXQ=",
        "own",
    ]


async def test_headers_cannot_make_a_second_request(backend: Backend, outgoing: Outgoing) -> None:
    smuggling = (
        ("Transfer-Encoding", "chunked"),
        ("Content-Length", "0"),
        ("Host", "other"),
        ("Connection", "X-Kept"),
        ("X-Kept", "yes"),
    )
    await outgoing.send(OutgoingRequest("POST", f"{backend.url}/x", smuggling, b"0\r\n\r\nGET /y"))
    assert [seen.target for seen in backend.seen] == ["/x"]
    headers = backend.seen[0].headers
    assert "transfer-encoding" not in headers
    assert headers["content-length"] == "11"
    assert headers["host"] in backend.url
    assert headers["x-kept"] == "yes"


@pytest.mark.parametrize(
    "header", [("X", "a\r\nY: b"), ("X", "a\nb"), ("X", "a\0"), ("X\r\nY", "a"), ("", "a")]
)
async def test_headers_with_line_ends_are_refused(
    outgoing: Outgoing, header: tuple[str, str]
) -> None:
    with pytest.raises(BadRequest, match="a header is not valid"):
        await outgoing.send(OutgoingRequest("GET", "http://127.0.0.1:1/", (header,)))


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("ftp://127.0.0.1/", "does not begin with"),
        ("127.0.0.1/x", "does not begin with"),
        ("", "does not begin with"),
        ("http:///x", "no valid host"),
        ("http://a%2eb/", "no valid host"),
        ("http://a\\@b/", "no valid host"),
        ("http://a@b@c/", "no valid host"),
        ("http://a b/", "no valid host"),
        ("http://a:0/", "no valid host"),
        ("http://a:99999/", "not valid"),
        ("http://[::1/", "not valid"),
        ("http://a/\ud800", "not valid"),
        ("http://a/%zz", "escape"),
        ("http://a/b\tc", "control character"),
        ("http://a/b?\r\nX: y", "control character"),
        ("http://a/" + "b" * 2040, "longer than 2048"),
    ],
)
def test_urls_that_are_refused(url: str, reason: str) -> None:
    with pytest.raises(BadRequest, match=reason):
        checked_url(url)


@pytest.mark.parametrize(
    ("url", "sent"),
    [
        ("HTTP://Example.COM", "http://example.com/"),
        ('http://a/b c?d="é#f', "http://a/b%20c?d=%22%C3%A9"),
        ("http://bücher.example/", "http://xn--bcher-kva.example/"),
        ("https://[::1]:8/x", "https://[::1]:8/x"),
        ("http://a/" + "b" * 2039, "http://a/" + "b" * 2039),
    ],
)
def test_urls_that_are_sent(url: str, sent: str) -> None:
    assert str(checked_url(url)) == sent


def test_nothing_secret_is_shown() -> None:
    request = OutgoingRequest("GET", "http://u:pw@h/?key=k3y", (("Authorization", "tok"),), b"bod")
    for secret in ("pw", "k3y", "tok", "bod"):
        assert secret not in repr(request)


@settings(max_examples=50)
@given(st.text(max_size=40))
def test_what_follows_a_host_stays_behind_it(text: str) -> None:
    try:
        url = checked_url(f"http://h.test/{text}")
    except BadRequest:
        return
    assert (url.raw_host, url.port, url.user) == ("h.test", 80, None)
    assert not re.search(r"[\x00-\x20\x7f-\U0010ffff]", url.raw_path_qs)


@settings(max_examples=50)
@given(st.text(alphabet="ab.:@/\\\\?#[]%41\u2025\uff0f\ufe56 ", max_size=12))
def test_a_host_is_what_is_called(text: str) -> None:
    try:
        url = checked_url(f"http://{text}")
    except BadRequest:
        return
    again = urlsplit(str(url))
    assert (again.hostname, again.port or 80) == (url.raw_host, url.port)


async def test_connections_are_kept(backend: Backend, outgoing: Outgoing) -> None:
    ports = []

    async def answer(request: web.Request) -> web.Response:
        assert request.transport is not None
        ports.append(request.transport.get_extra_info("peername")[1])
        return web.Response()

    backend.routes["/x"] = answer
    for _ in range(3):
        await outgoing.send(OutgoingRequest("GET", f"{backend.url}/x"))
    assert len(set(ports)) == 1


# ---- bounds


async def test_a_timeout_and_a_deadline(backend: Backend, outgoing: Outgoing) -> None:
    backend.hangs("/slow")
    url = f"{backend.url}/slow"
    with pytest.raises(TimedOut):
        await outgoing.send(OutgoingRequest("GET", url, timeout_s=0.01))
    deadline = asyncio.get_running_loop().time() + 0.01
    with pytest.raises(TimedOut):
        await outgoing.send(OutgoingRequest("GET", url, timeout_s=None), deadline)
    with pytest.raises(TimedOut):
        await outgoing.send(OutgoingRequest("GET", url), deadline)
    with pytest.raises(TimedOut):
        await _sent(
            OutgoingBounds(longest_seconds=0.01), OutgoingRequest("GET", url, timeout_s=None)
        )
    assert outgoing.outcomes == {"timed_out": 3}


async def test_a_body_has_a_bound(backend: Backend) -> None:
    async def chunked(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(11):
            await response.write(b"x")
        return response

    backend.says("/10", "x" * 10)
    backend.says("/11", "x" * 11)
    backend.routes["/chunks"] = chunked
    bounds = OutgoingBounds(response_bytes=10)
    await _sent(bounds, OutgoingRequest("GET", f"{backend.url}/10"))
    for path in ("/11", "/chunks"):
        with pytest.raises(ResponseTooLarge):
            await _sent(bounds, OutgoingRequest("GET", f"{backend.url}{path}"))


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 20000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: x\r\n" * 1000 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
async def test_what_is_no_proper_answer(outgoing: Outgoing, answer: bytes) -> None:
    server, url = await _raw_server(answer)
    async with server:
        with pytest.raises(ConnectionFailed):
            await outgoing.send(OutgoingRequest("POST", url, timeout_s=10))


async def test_answers_of_all_sorts(outgoing: Outgoing) -> None:
    """Whatever a server sends, there is an answer or an error of ours."""
    proper = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Type: text/plain\r\n\r\nbody"
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n"
    noise = random.Random(7)
    ended: Counter[str] = Counter()
    for at in range(300):
        answer = bytearray(noise.choice((proper, chunked)))
        for _ in range(noise.randint(0, 3)):
            answer[noise.randrange(len(answer))] = noise.choice(b"\0\r\n :;0f\xff")
        server, url = await _raw_server(bytes(answer[: noise.randint(len(answer) // 2, 999)]))
        async with server:
            try:
                await outgoing.send(OutgoingRequest("POST", f"{url}?{at}", timeout_s=10))
                ended["answered"] += 1
            except OutgoingError as error:
                ended[error.outcome] += 1
    assert ended["answered"] > 50
    assert ended["connection_failed"] > 50
    assert ended.keys() == {"answered", "connection_failed"}


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/", "http://name.invalid/", "http://../"])
async def test_nobody_there(outgoing: Outgoing, url: str) -> None:
    with pytest.raises(ConnectionFailed, match=r"^the connection failed$"):
        await outgoing.send(OutgoingRequest("GET", url))


async def test_calls_to_a_destination_wait_and_then_are_refused(backend: Backend) -> None:
    released = backend.hangs("/slow")
    request = OutgoingRequest("GET", f"{backend.url}/slow")
    outgoing = Outgoing(OutgoingBounds(per_destination=2, waiting=1))
    calls = [asyncio.create_task(outgoing.send(request)) for _ in range(3)]
    await backend.asked(2)
    with pytest.raises(DestinationBusy):
        await outgoing.send(request)
    assert len(backend.seen) == 2
    released.set()
    assert [answer.status for answer in await asyncio.gather(*calls)] == [200] * 3
    await outgoing.close()


async def test_destinations_are_bounded() -> None:
    outgoing = Outgoing(OutgoingBounds(destinations=3))
    for at in range(10):
        with pytest.raises(ConnectionFailed):
            await outgoing.send(OutgoingRequest("GET", f"http://127.0.0.{at + 1}:1/"))
    assert len(outgoing.destinations) == 3
    await outgoing.close()


# ---- circuit


async def test_a_failing_destination_gets_a_rest(backend: Backend) -> None:
    circuit = CircuitBounds(calls=4, failures=3, open_seconds=0.05)
    outgoing = Outgoing(OutgoingBounds(circuit=circuit))

    async def breaks(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    backend.says("/ok")
    backend.routes["/breaks"] = breaks
    ok = OutgoingRequest("GET", f"{backend.url}/ok")
    broken = OutgoingRequest("POST", f"{backend.url}/breaks")
    await outgoing.send(ok)
    for _ in range(3):
        with pytest.raises(ConnectionFailed):
            await outgoing.send(broken)
    seen = len(backend.seen)
    with pytest.raises(CircuitOpen):
        await outgoing.send(ok)
    assert len(backend.seen) == seen
    samples = {
        (sample.name, *sample.labels.values()): sample.value
        for metric in OutgoingCollector(outgoing).collect()
        for sample in metric.samples
    }
    assert samples["tollhouse_outgoing_circuit_open", backend.url] == 1
    assert samples["tollhouse_outgoing_circuits_opened_total",] == 1
    assert samples["tollhouse_outgoing_calls_total", "circuit_open"] == 1
    await asyncio.sleep(0.06)
    with pytest.raises(ConnectionFailed):  # the trial fails
        await outgoing.send(broken)
    with pytest.raises(CircuitOpen):
        await outgoing.send(ok)
    await asyncio.sleep(0.06)
    for _ in range(2):  # the trial succeeds
        await outgoing.send(ok)
    assert outgoing.destinations.open_circuits() == []
    await outgoing.close()


async def test_short_timeouts_leave_the_circuit_closed(backend: Backend) -> None:
    backend.hangs("/slow")
    backend.says("/ok")
    outgoing = Outgoing(OutgoingBounds(circuit=CircuitBounds(calls=2, failures=1)))
    with pytest.raises(TimedOut):
        await outgoing.send(OutgoingRequest("GET", f"{backend.url}/slow", timeout_s=0.01))
    await outgoing.send(OutgoingRequest("GET", f"{backend.url}/ok"))
    await outgoing.close()


async def test_long_timeouts_open_it(backend: Backend) -> None:
    backend.hangs("/slow")
    circuit = CircuitBounds(calls=2, failures=1, slow_seconds=0.005)
    outgoing = Outgoing(OutgoingBounds(circuit=circuit))
    slow = OutgoingRequest("GET", f"{backend.url}/slow", timeout_s=0.05)
    with pytest.raises(TimedOut):
        await outgoing.send(slow)
    with pytest.raises(CircuitOpen):
        await outgoing.send(slow)
    await outgoing.close()


# ---- redirects


async def test_redirects_are_followed_when_asked(backend: Backend, outgoing: Outgoing) -> None:
    backend.says("/a", status=302, Location="/b?c=d")
    backend.says("/b", status=307, Location="c")
    backend.says("/c", "there")
    request = OutgoingRequest(
        "POST",
        f"{backend.url}/a",
        (("Authorization", "x"), ("Content-Type", "y")),
        b"body",
        follow_redirects=True,
    )
    answer = await outgoing.send(request)
    assert answer.body == b"there"
    assert [(seen.method, seen.target, seen.body) for seen in backend.seen] == [
        ("POST", "/a", b"body"),
        ("GET", "/b?c=d", b""),
        ("GET", "/c", b""),
    ]
    assert backend.seen[2].headers["authorization"] == "x"
    stays = await outgoing.send(OutgoingRequest("GET", f"{backend.url}/a"))
    assert stays.status == 302


async def test_credentials_stay_at_home(backend: Backend, outgoing: Outgoing) -> None:
    async with http_backend() as other:
        backend.says("/a", status=307, Location=f"{other.url}/b")
        headers = (("Authorization", "x"), ("X-Key", "k"), ("Content-Type", "y"))
        await outgoing.send(
            OutgoingRequest("POST", f"{backend.url}/a", headers, b"body", follow_redirects=True)
        )
        seen = other.seen[0]
        assert (seen.method, seen.body, seen.headers["content-type"]) == ("POST", b"body", "y")
        assert not {"authorization", "x-key"} & seen.headers.keys()


async def test_redirects_end(backend: Backend, outgoing: Outgoing) -> None:
    backend.says("/a", status=302, Location="/a")
    with pytest.raises(RedirectRefused):
        await outgoing.send(OutgoingRequest("GET", f"{backend.url}/a", follow_redirects=True))
    assert len(backend.seen) == 11


async def test_a_redirect_is_checked_like_any_url(backend: Backend) -> None:
    backend.says("/file", status=302, Location="file:///etc/passwd")
    backend.says("/denied", status=302, Location="http://127.0.0.2:1/")
    lists = Destinations(denied_networks=(ip_network("127.0.0.2/32"),))
    bounds = OutgoingBounds(allowed=lists)
    with pytest.raises(BadRequest):
        await _sent(bounds, OutgoingRequest("GET", f"{backend.url}/file", follow_redirects=True))
    with pytest.raises(DestinationRefused):
        await _sent(bounds, OutgoingRequest("GET", f"{backend.url}/denied", follow_redirects=True))


# ---- destinations


@pytest.mark.parametrize(
    ("lists", "url", "refused"),
    [
        (Destinations(), "http://127.0.0.1:1/", False),
        (Destinations(denied_hosts=frozenset({"localhost"})), "http://LOCALHOST.:1/", True),
        (Destinations(denied_hosts=frozenset({"*.test"})), "http://a.b.test:1/", True),
        (Destinations(denied_hosts=frozenset({"*.test"})), "http://localhost:1/", False),
        (Destinations(denied_networks=(ip_network("127.0.0.0/8"),)), "http://127.1.2.3:1/", True),
        (Destinations(denied_networks=(ip_network("127.0.0.0/8"),)), "http://localhost:1/", True),
        (
            Destinations(denied_networks=(ip_network("127.0.0.0/8"),)),
            "http://[::ffff:127.0.0.1]:1/",
            True,
        ),
        (Destinations(allowed_networks=(ip_network("10.0.0.0/8"),)), "http://127.0.0.1:1/", True),
        (Destinations(allowed_networks=(ip_network("10.0.0.0/8"),)), "http://localhost:1/", True),
        (Destinations(allowed_networks=(ip_network("127.0.0.0/8"),)), "http://localhost:1/", False),
        (Destinations(allowed_hosts=frozenset({"localhost"})), "http://localhost:1/", False),
        (Destinations(allowed_hosts=frozenset({"localhost"})), "http://127.0.0.1:1/", True),
        (
            Destinations(
                allowed_hosts=frozenset({"localhost"}), denied_networks=(ip_network("127.0.0.0/8"),)
            ),
            "http://localhost:1/",
            True,
        ),
    ],
)
async def test_lists_of_destinations(lists: Destinations, url: str, refused: bool) -> None:
    expected = DestinationRefused if refused else ConnectionFailed
    with pytest.raises(expected):
        await _sent(OutgoingBounds(allowed=lists), OutgoingRequest("GET", url))


@pytest.mark.parametrize("host", ["2130706433", "0x7f000001", "127.1", "0177.0.0.1"])
async def test_other_spellings_of_an_address_are_no_way_around(host: str) -> None:
    lists = Destinations(denied_networks=(ip_network("127.0.0.0/8"),))
    with pytest.raises((DestinationRefused, ConnectionFailed)):
        await _sent(OutgoingBounds(allowed=lists), OutgoingRequest("GET", f"http://{host}:1/"))


async def test_only_allowed_addresses_of_a_name_are_used(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = [
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.2", 0)),
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0)),
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answers)
    backend.says("/x", "there")
    url = backend.url.replace("127.0.0.1", "name.test") + "/x"
    lists = Destinations(denied_networks=(ip_network("127.0.0.2/32"),))
    answer = await _sent(OutgoingBounds(allowed=lists), OutgoingRequest("GET", url))
    assert answer.body == b"there"
    lists = Destinations(denied_networks=(ip_network("127.0.0.0/8"),))
    with pytest.raises(DestinationRefused):
        await _sent(OutgoingBounds(allowed=lists), OutgoingRequest("GET", url))


# ---- TLS


async def test_an_authority_of_ones_own(tmp_path: Path) -> None:
    certificate, key = _self_signed()
    (tmp_path / "cert.pem").write_bytes(certificate)
    (tmp_path / "key.pem").write_bytes(key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    async with http_backend(context) as backend:
        backend.says("/x", "safe")
        request = OutgoingRequest("GET", f"{backend.url}/x")
        with pytest.raises(ConnectionFailed):
            await _sent(OutgoingBounds(), request)
        answer = await _sent(OutgoingBounds(ca_file=tmp_path / "cert.pem"), request)
        assert answer.body == b"safe"


def _self_signed() -> tuple[bytes, bytes]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "backend")])
    now = datetime.datetime.now(datetime.UTC)
    address = x509.IPAddress(ip_address("127.0.0.1"))
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    return (
        certificate.public_bytes(serialization.Encoding.PEM),
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ),
    )


# ---- single flight


async def test_equal_calls_are_made_once(outgoing: Outgoing) -> None:
    released = asyncio.Event()
    made: list[str] = []

    async def call() -> int:
        made.append("call")
        await released.wait()
        return 7

    waiting = [asyncio.create_task(outgoing.shared("k", call)) for _ in range(3)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await outgoing.shared("k", call)
    released.set()
    assert await asyncio.gather(*waiting[1:]) == [7, 7]
    assert made == ["call"]
    assert await outgoing.shared("k", call) == 7  # a call is over with its answer
    assert made == ["call", "call"]


async def test_a_failure_is_shared_too(outgoing: Outgoing) -> None:
    async def call() -> int:
        await asyncio.sleep(0)
        raise TimedOut

    found = await asyncio.gather(
        *(outgoing.shared("k", call) for _ in range(3)), return_exceptions=True
    )
    assert all(isinstance(error, OutgoingError) for error in found)


async def test_the_last_waiter_takes_the_call_along(outgoing: Outgoing) -> None:
    ended = asyncio.Event()

    async def call() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    waiting = asyncio.create_task(outgoing.shared("k", call))
    await asyncio.sleep(0.001)
    waiting.cancel()
    await asyncio.wait_for(ended.wait(), 10)
