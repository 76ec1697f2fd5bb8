"""A real process with a state file: ended, killed, and in trouble with its file."""

import json
import re
import signal
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.tollhouse.server_process import ServerProcess, serving
from tollhouse.__main__ import main

LIMITS = """
- {namespace: n, max_value: 1000000, seconds: 3600, conditions: [], variables: ["descriptors[0].u"]}
"""


@pytest.fixture
def arguments(tmp_path: Path) -> list[str]:
    (tmp_path / "limits.yaml").write_text(LIMITS)
    state = str(tmp_path / "state.db")
    flags = ["--state", state, "--state-flush-seconds", "0.05", "--rls-listen", "none"]
    return ["--limits", str(tmp_path / "limits.yaml"), *flags]


def ask(server: ServerProcess, path: str, body: object = None) -> str:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(
        f"http://{server.http}{path}", data, {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=10) as response:
        return str(response.read().decode())


def hit(server: ServerProcess, user: str, delta: int) -> None:
    ask(server, "/report", {"namespace": "n", "values": {"u": user}, "delta": delta})


def counted(server: ServerProcess) -> dict[str, int]:
    found = json.loads(ask(server, "/counters/n?count=1000"))
    return {c["set_variables"]["descriptors[0].u"]: c["value"] for c in found}


def metric(server: ServerProcess, name: str) -> float:
    found = re.search(rf"^{name} (\S+)$", ask(server, "/metrics"), re.MULTILINE)
    assert found, name
    return float(found[1])


def within(seconds: float, condition: Callable[[], bool]) -> bool:
    give_up = time.monotonic() + seconds
    while time.monotonic() < give_up:
        if condition():
            return True
        time.sleep(0.01)
    return False


@pytest.mark.slow
def test_end_writes_everything_and_the_next_start_restores_it(
    arguments: list[str], tmp_path: Path
) -> None:
    with serving(*arguments, "--state-flush-seconds", "3600") as server:
        hit(server, "ann", 3)
        hit(server, "bob", 4)
        server.send(signal.SIGTERM)
        assert server.ended() == 0
    assert [path.name for path in tmp_path.glob("state.db*")] == ["state.db"]
    with serving(*arguments) as server:
        assert "counters restored: 2" in server.log
        assert counted(server) == {"ann": 3, "bob": 4}


@pytest.mark.slow
def test_kill_loses_no_more_than_the_flush_period(arguments: list[str]) -> None:
    with serving(*arguments) as server:
        for number in range(50):
            hit(server, f"user {number}", number + 1)
        assert within(10, lambda: metric(server, "ratelimit_state_written_total") >= 50)
        for number in range(50):
            hit(server, f"late {number}", 1)
        server.send(signal.SIGKILL)
        assert server.ended() == -signal.SIGKILL
    with serving(*arguments) as server:
        found = counted(server)
        assert found.items() >= {f"user {number}": number + 1 for number in range(50)}.items()
        assert all(value == 1 for user, value in found.items() if user.startswith("late"))


@pytest.mark.slow
def test_damaged_file_is_no_reason_not_to_start(arguments: list[str], tmp_path: Path) -> None:
    (tmp_path / "state.db").write_bytes(b"not a database" * 100)
    with serving(*arguments) as server:
        assert " ERROR ratelimit.state: " in server.log
        assert list(tmp_path.glob("state.db.damaged-*"))
        hit(server, "ann", 1)
        assert within(10, lambda: metric(server, "ratelimit_state_written_total") == 1)
        assert metric(server, "ratelimit_state_failures_total") == 1


@pytest.mark.slow
def test_full_disk_is_told_once_and_decisions_go_on(arguments: list[str]) -> None:
    arguments[arguments.index("--state") + 1] = "/dev/full"
    with serving(*arguments) as server:
        hit(server, "ann", 1)
        assert within(10, lambda: metric(server, "ratelimit_state_unwritten") == 1)
        hit(server, "ann", 1)
        assert counted(server) == {"ann": 2}
        assert server.log.count("cannot be kept") == 1


def test_folder_that_is_not_there_ends_the_start(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    arguments[arguments.index("--state") + 1] = "/no/such/folder/state.db"
    assert main(["serve", *arguments, "--http-listen", "none", "--authz-listen", "none"]) == 1
    assert "/no/such/folder is no directory" in capsys.readouterr().err
