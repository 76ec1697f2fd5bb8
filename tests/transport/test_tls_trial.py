"""TLS fits under the server through the channel seam: handshake, both wants, peer identity."""

import importlib
import shutil
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from _fastpath.server import Server
from transport.native_build import build
from transport.native_server import ECHO, NATIVE, PUSH, Running, Service
from transport.raw_client import Client, framed

pytestmark = pytest.mark.slow  # they compile an extension first


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory) -> Any:
    into = tmp_path_factory.mktemp("native")
    if not Path("/usr/include/openssl/ssl.h").exists() or shutil.which("openssl") is None:
        pytest.skip("OpenSSL's headers or program are not installed")
    build("tls_trial", ["nghttp2", "ssl", "crypto"], into)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(into)
        yield importlib.import_module("tls_trial")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("tls")
    certificate, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"),
            *("-keyout", key, "-out", certificate),
        ],
        check=True,
        capture_output=True,
    )
    return certificate, key


@pytest.fixture
async def running(trial: Any, files: tuple[Path, Path]) -> AsyncIterator[Running]:
    service = Service()
    server = Server(service.methods(), threads=1)
    trial.install(server, *(str(file).encode() for file in files))
    address = server.listen("127.0.0.1:0")
    server.start()
    yield Running(server, service, address)
    await server.drain(0)


@pytest.fixture
def tls(files: tuple[Path, Path]) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=files[0])
    context.load_cert_chain(*files)
    context.set_alpn_protocols(["h2"])
    return context


async def test_calls_of_every_kind_pass(
    running: Running, tls: ssl.SSLContext, trial: Any, files: tuple[Path, Path]
) -> None:
    async with await Client.connect(running.address, tls=tls) as client:
        assert (await client.call(NATIVE, b"")).status == 0
        assert (await client.call(ECHO, b"over TLS")).messages == [b"over TLS"]
        assert trial.identity() == ssl.PEM_cert_to_DER_cert(files[0].read_text())


async def test_large_messages_fill_records_and_sockets(
    running: Running, tls: ssl.SSLContext
) -> None:
    async with await Client.connect(running.address, tls=tls) as client:
        message = bytes(range(256)) * 4000
        streams = [client.open(ECHO) for _ in range(5)]
        for stream in streams[:1]:
            client.data(stream, framed(message[:900_000]), end=True)
            assert (await client.answer(stream)).messages == [message[:900_000]]
        for stream in streams[1:]:
            client.data(stream, framed(message[:200_000]), end=True)
        for stream in streams[1:]:
            assert (await client.answer(stream)).messages == [message[:200_000]]


async def test_writes_wait_for_a_full_socket(running: Running, tls: ssl.SSLContext) -> None:
    running.service.push_bytes = 50_000
    async with await Client.connect(running.address, tls=tls, settings={4: 2**31 - 1}) as client:
        client.grant(0, 2**31 - 1 - 65_535)
        transport: Any = client.writer.transport
        stream = client.open(PUSH, end=True)
        await client.until(lambda: client.answers[stream].messages)
        transport.pause_reading()
        before = running.service.pushed
        await running.until(lambda: running.service.pushed > before + 5)
        transport.resume_reading()
        size = len(client.answers[stream].body)
        await client.until(lambda: len(client.answers[stream].body) > size + 5_000_000)


async def test_plain_peer_fails_its_handshake_alone(running: Running, tls: ssl.SSLContext) -> None:
    host, _, port = running.address.rpartition(":")
    with socket.create_connection((host, int(port))) as plain:
        plain.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        await running.until(lambda: running.stat("closed") == 1)
    async with await Client.connect(running.address, tls=tls) as client:
        assert (await client.call(NATIVE, b"")).status == 0
