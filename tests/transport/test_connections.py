"""Listeners and connections: addresses, spreading over threads, bounds, idle and slow peers."""

import asyncio
import resource
import socket
from pathlib import Path

import pytest
from hyperframe.frame import GoAwayFrame, HeadersFrame, PingFrame, SettingsFrame

from _fastpath.bounds import Bounds
from _fastpath.errors import BindError
from _fastpath.server import Server
from transport.native_server import ECHO, HANG, NATIVE, Running, serving
from transport.raw_client import PATIENCE_S, PREFACE, Client, connections, framed, request_headers

REFUSED_STREAM = 7


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
async def test_port_zero_names_the_port_it_took(host: str) -> None:
    async with serving(address=f"{host}:0") as running:
        assert running.address.startswith(f"{host}:")
        async with await running.connect() as client:
            assert (await client.call(NATIVE)).status == 0


async def test_unix_socket_serves_and_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "rls.sock"
    async with serving(address=f"unix:{path}") as running:
        async with await running.connect() as client:
            assert (await client.call(ECHO, b"x")).status == 0
        assert running.service.contexts[0].peer == "unix:"
    assert not path.exists()


async def test_taken_port_is_a_bind_error(running: Running) -> None:
    with pytest.raises(BindError, match=running.address.rpartition(":")[2]):
        Server([], threads=1).listen(running.address)


@pytest.mark.parametrize("address", ["", "nowhere", "127.0.0.1:70000", "127.0.0.1:http-x", "unix:"])
def test_malformed_address_is_a_bind_error(address: str) -> None:
    with pytest.raises(BindError):
        Server([], threads=1).listen(address)


async def test_listener_may_open_after_the_start(running: Running) -> None:
    address = running.server.listen("127.0.0.1:0")
    async with await Client.connect(address) as client:
        assert (await client.call(ECHO, b"late")).messages == [b"late"]


@pytest.mark.parametrize("threads", [2, 3])
async def test_connections_go_to_the_thread_with_the_fewest(threads: int) -> None:
    async with serving(threads=threads) as running:
        sockets = [
            socket.create_connection(running.address.rsplit(":", 1)) for _ in range(threads * 4)
        ]
        await running.until(lambda: running.stat("accepted") == threads * 4)
        assert running.server.thread_loads() == [4] * threads
        for one in sockets:
            one.close()
        await running.until(lambda: running.server.thread_loads() == [0] * threads)


async def test_every_thread_serves() -> None:
    async with serving(threads=2) as running, connections(running.address, 6) as clients:
        for client in clients:
            for _ in range(20):
                assert (await client.call(ECHO, b"x")).messages == [b"x"]
                assert (await client.call(NATIVE, b"x")).status == 0


async def test_connection_past_the_bound_is_closed_at_once() -> None:
    async with serving(bounds=Bounds(connections=2)) as running:
        async with await running.connect() as first, await running.connect() as second:
            await first.ping()
            await second.ping()
            async with await running.connect() as third:
                await third.until_closed()
            assert (await first.call(NATIVE)).status == 0
        await running.until(lambda: running.stat("connections") == 0)
        async with await running.connect() as again:
            assert (await again.call(NATIVE)).status == 0


async def test_streams_past_the_bound_are_refused_not_the_connection() -> None:
    """Fresh Envoy connections exceed the bound before they have read it."""
    async with (
        serving(bounds=Bounds(concurrent_streams=3)) as running,
        await running.connect(preface=False) as client,
    ):
        client.writer.write(PREFACE + SettingsFrame(0).serialize())
        streams = [client.start(HANG, b"") for _ in range(5)]
        for stream in streams[3:]:
            assert (await client.answer(stream)).reset == REFUSED_STREAM
        assert client.settings[3] == 3
        for stream in streams[:3]:
            client.reset(stream)
        assert (await client.call(ECHO, b"x")).messages == [b"x"]


async def test_silent_connection_is_closed() -> None:
    async with (
        serving(bounds=Bounds(request_seconds=0.2)) as running,
        await running.connect() as speaking,
    ):
        assert (await speaking.call(NATIVE)).status == 0
        async with await running.connect(preface=False) as silent:
            await silent.until_closed()
        async with await running.connect() as greeting:
            await greeting.until_closed()
        assert (await speaking.call(NATIVE)).status == 0


async def test_request_that_drips_in_is_refused() -> None:
    async with (
        serving(bounds=Bounds(request_seconds=0.2)) as running,
        await running.connect() as client,
    ):
        assert (await client.call(NATIVE)).status == 0
        stream = client.open(ECHO)
        client.data(stream, framed(b"slow")[:5])
        assert (await client.answer(stream)).status == 4
        assert (await client.call(NATIVE)).status == 0


async def test_header_block_that_never_ends_closes_the_connection() -> None:
    async with (
        serving(bounds=Bounds(request_seconds=0.2)) as running,
        await running.connect() as client,
    ):
        assert (await client.call(NATIVE)).status == 0
        block = client.encoder.encode(request_headers(NATIVE))
        client.send(HeadersFrame(client.new_stream(), data=block))
        await client.until_closed()


async def test_idle_connection_is_told_to_go() -> None:
    async with (
        serving(bounds=Bounds(idle_seconds=0.2)) as running,
        await running.connect() as client,
    ):
        hanging = client.start(HANG, b"")
        await asyncio.sleep(0.6)
        assert client.goaways == []
        client.reset(hanging)
        await client.until_closed()
        assert [code for _, code in client.goaways] == [0]


async def test_broken_preface_closes_only_that_connection(running: Running) -> None:
    async with await running.connect(preface=False) as broken:
        broken.writer.write(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        await broken.until_closed()
    async with await running.connect() as client:
        assert (await client.call(NATIVE)).status == 0


async def test_peer_that_still_sends_is_not_reset_after_its_goodbye(running: Running) -> None:
    host, _, port = running.address.rpartition(":")
    frames = SettingsFrame(0).serialize() + GoAwayFrame(0).serialize()
    with socket.create_connection((host, int(port))) as peer:
        peer.settimeout(PATIENCE_S)
        await asyncio.to_thread(peer.sendall, PREFACE + frames)
        while await asyncio.to_thread(peer.recv, 4096):
            pass
        for _ in range(3):  # a reset would show in the second
            peer.sendall(PingFrame(0, opaque_data=bytes(8)).serialize())
            await asyncio.sleep(0)
        await running.until(lambda: running.stat("connections") == 0)
        peer.sendall(bytes(8))
        with pytest.raises(ConnectionError):
            peer.sendall(bytes(8))


async def test_no_descriptors_left_does_not_spin_or_stop_the_server(running: Running) -> None:
    async with await running.connect() as client:
        assert (await client.call(NATIVE)).status == 0
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        host, _, port = running.address.rpartition(":")
        waiting = [socket.socket() for _ in range(4)]
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
        try:
            for one in waiting:
                one.setblocking(False)
                one.connect_ex((host, int(port)))
            assert (await client.call(NATIVE)).status == 0
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for one in waiting:
            one.close()
        async with await running.connect() as late:
            assert (await late.call(NATIVE)).status == 0
