"""`make run` as a newcomer meets it."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.demo.stack import Ports, envoy_config

ROOT = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-m", "deploy.demo"]


def start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*COMMAND, *arguments],
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "200"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_envoy_config_moves_every_port() -> None:
    text = envoy_config(Ports(1, 2, 3, 4, 5, 6))
    assert not any(f"port_value: {port}" in text for port in (10000, 9901, 18080, 8081, 50051))


@pytest.mark.slow
def test_tour_sees_expected_answers() -> None:
    run = subprocess.run(
        [*COMMAND, "--once", "--free-ports"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert [run.stdout.count(str(status)) > 0 for status in (200, 401, 403, 429)] == [True] * 4


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_stops_everything(number: signal.Signals) -> None:
    with start("--free-ports") as demo:
        assert demo.stdout is not None
        for line in demo.stdout:
            if "Ctrl-C stops all three" in line:
                break
        demo.send_signal(number)
        rest = demo.stdout.read()
        assert demo.wait(20) == 0
    assert "Stopped toystore, Tollhouse and Envoy." in rest


@pytest.mark.slow
def test_taken_port_is_named() -> None:
    # Whether the test or somebody else holds it, the port is taken.
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            holder.bind(("127.0.0.1", Ports().admin))
            holder.listen()
        except OSError:
            pass
        with start() as demo:
            output = demo.communicate(timeout=30)[0]
    assert demo.returncode == 1
    assert f"admin ({Ports().admin})" in output
