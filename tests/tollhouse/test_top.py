"""`tollhouse top`: what it makes of two readings, and the whole command against an HTTP side."""

import asyncio
import fcntl
import io
import json
import os
import pty
import select
import subprocess
import sys
import termios
import time
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from rich.console import Console

from ratelimit import counters_api, http_api
from ratelimit.metrics import RateLimitCollector
from tests.ratelimit.host import Host
from tests.tollhouse.server_process import ROOT, serving
from tollhouse import cli, http_side, top
from tollhouse.address import Address
from tollhouse.admin_access import AdminAccess
from tollhouse.http_side import HttpSide
from tollhouse.server_access import ServerError
from tollhouse.top_flags import TopSettings
from tollhouse.top_sample import NearKey, Sample, View, view
from tollhouse.top_view import render

LIMITS = """
- {namespace: n, max_value: 10, seconds: 60, name: per user, conditions: [],
   variables: ["descriptors[0].u"]}
- {namespace: n, max_value: 0, seconds: 60, name: "never\\x1b", variables: [],
   conditions: ["descriptors[0].u == 'x'"]}
- {namespace: n, max_value: 1000, seconds: 60, conditions: [], variables: []}
"""
NEAR = NearKey("n", "per user", {"descriptors[0].u": "ann"}, 9, 10, 0.9, 60)


def reading(at: float, calls: float = 0, refused: float = 0, **single: float) -> Sample:
    place = ("n", "per user")
    return Sample(at, {place: calls}, {place: refused}, single, ready=True)


def made(before: Sample, after: Sample) -> View:
    return view("http://server", before, after, [NEAR], "")


def test_rates_are_what_grew_between_two_readings() -> None:
    before = reading(10, 100, 20, authorized_calls=80, limited_calls=20)
    after = reading(14, 140, 30, authorized_calls=110, limited_calls=30)
    shown = made(before, after)
    (limit,) = shown.limits
    assert (limit.calls_per_second, limit.refused_per_second, limit.refused_share) == (
        10,
        2.5,
        0.25,
    )
    assert (limit.calls, limit.refused) == (140, 30)
    assert (shown.decided_per_second, shown.refused_share) == (10, 0.25)


def test_restarted_server_gives_no_negative_rate() -> None:
    shown = made(reading(0, 100, 20, limited_calls=20), reading(1, 5, 1, limited_calls=1))
    assert shown.limits[0].calls_per_second == 5
    assert shown.refused_per_second == 1


def shown_text(shown: View, height: int | None = None, problem: str = "") -> str:
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(render(shown, height, problem))
    return console.export_text()


def test_what_is_wrong_is_shown() -> None:
    shown = made(reading(0), reading(1))
    assert "not ready" in shown_text(replace(shown, ready=False))
    assert "gone away" in shown_text(shown, problem="gone away")
    counters = replace(shown.counters, store_reachable=False, state_unwritten=7)
    told = shown_text(replace(shown, counters=counters))
    assert "store not reachable" in told
    assert "7 not written" in told


def test_view_fits_the_terminal() -> None:
    before, after = reading(0), reading(1)
    calls = {("n", f"limit {number}"): float(number) for number in range(100)}
    shown = view("s", before, replace(after, calls=calls), [NEAR] * 20, "")
    assert len(shown_text(shown, height=24).splitlines()) <= 24
    assert "more limits" in shown_text(shown, height=24)
    assert len(shown_text(shown).splitlines()) > 120


async def shown_of(host: Host, *arguments: str, token_file: Path | None = None) -> None:
    """Runs the command against the host's HTTP side."""
    registry = CollectorRegistry()
    registry.register(RateLimitCollector(host.service))
    side = HttpSide(
        [
            *http_side.probes(lambda: True),
            http_side.metrics(registry),
            *http_api.routes(host.service, host.clock),
            *counters_api.routes(host.service, AdminAccess(token_file, None)),
        ]
    )
    address = await side.start(Address("127.0.0.1", 0))
    try:
        words = ["top", "--server", f"http://{address}", "--interval", "0.1", *arguments]
        settings = cli.parse(words, {})
        assert isinstance(settings, TopSettings)
        await top.watch(settings, asyncio.Event())
    finally:
        await side.stop()


@pytest.fixture
def host() -> Host:
    """ann used 9 of 10, bob 1; one call of "x" was refused."""
    host = Host(native=True)
    host.load(LIMITS)
    for user, hits in (("ann", 9), ("bob", 1), ("x", 1)):
        host.should("n", {"u": user}, hits=hits)
    return host


def test_one_view_as_json(host: Host, capsys: pytest.CaptureFixture[str]) -> None:
    asyncio.run(shown_of(host, "--once", "--json"))
    told = json.loads(capsys.readouterr().out)
    assert {(entry["limit"], entry["calls"], entry["refused"]) for entry in told["limits"]} == {
        ("per user", 3, 0),
        ("never\x1b", 1, 1),
        ("", 3, 0),
    }
    (near,) = told["near"]
    assert (near["limit"], near["variables"], near["value"], near["share"]) == (
        "per user",
        {"descriptors[0].u": "ann"},
        9,
        0.9,
    )
    assert told["ready"] is True
    assert told["counters"]["held"] == 3


def test_one_view_as_tables_that_cannot_steer_the_terminal(
    host: Host, capsys: pytest.CaptureFixture[str]
) -> None:
    asyncio.run(shown_of(host, "--once"))
    told = capsys.readouterr().out
    assert "\x1b" not in told
    assert "n / never\\x1b" in told
    assert "descriptors[0].u=ann" in told
    assert "90%" in told


def test_keys_are_left_out_without_the_token(
    host: Host, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    token = tmp_path / "token"
    token.write_text("sesame")
    asyncio.run(shown_of(host, "--once", token_file=token))
    told = capsys.readouterr().out
    assert "n / per user" in told
    assert "--token-file" in told
    assert "ann" not in told


def test_unreachable_server_ends_it() -> None:
    settings = cli.parse(["top", "--server", "http://127.0.0.1:1"], {})
    assert isinstance(settings, TopSettings)
    with pytest.raises(ServerError, match="cannot reach"):
        asyncio.run(top.watch(settings, asyncio.Event()))


@pytest.mark.slow
@pytest.mark.parametrize("key", [b"q", b"\x03"])
def test_key_ends_the_live_view_and_restores_the_terminal(key: bytes) -> None:
    main, side = pty.openpty()
    with serving("--rls-listen", "none") as server:
        words = [sys.executable, "-m", "tollhouse", "top", "--server", f"http://{server.http}"]
        command = subprocess.Popen(
            words,
            cwd=ROOT,
            env={**os.environ, "TERM": "xterm"},
            stdin=side,
            stdout=side,
            stderr=side,
            start_new_session=True,
            preexec_fn=_take_terminal,
        )
        os.close(side)
        told = _until(main, b"near its limit", command)
        os.write(main, key)
        told += _until(main, b"\x1b[?1049l", command)
        assert command.wait(10) == 0
    os.close(main)
    assert b"Traceback" not in told


def _take_terminal() -> None:
    """Makes standard input the session's terminal, so that Ctrl-C is a signal."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def _until(terminal: int, mark: bytes, command: subprocess.Popen[bytes]) -> bytes:
    told = b""
    give_up = time.monotonic() + 30
    while mark not in told:
        assert time.monotonic() < give_up, told
        if select.select([terminal], [], [], 0.1)[0]:
            told += os.read(terminal, 65536)
        else:
            assert command.poll() is None, told
    return told
