"""What ends the start: exit code 1, one clear message, no traceback."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tollhouse.__main__ import main
from tollhouse.settings import Transport

NOWHERE = [
    *("--rls-listen", "none", "--authz-listen", "none"),
    *("--http-listen", "none", "--authz-http-listen", "none"),
]


@pytest.fixture
def taken() -> Iterator[str]:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield f"127.0.0.1:{other.getsockname()[1]}"


def failure(capfd: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["serve", *NOWHERE, *arguments]) == 1
    told = capfd.readouterr().err
    assert "Traceback" not in told
    return told


@pytest.mark.parametrize("transport", list(Transport))
@pytest.mark.parametrize("flag", ["--rls-listen", "--authz-listen", "--http-listen"])
def test_taken_port_is_told(
    capfd: pytest.CaptureFixture[str], taken: str, transport: Transport, flag: str
) -> None:
    told = failure(capfd, flag, taken, "--transport", transport)
    assert told.endswith(f"tollhouse: cannot listen on {taken}: Address already in use\n")


def test_socket_path_out_of_reach_is_told(capfd: pytest.CaptureFixture[str]) -> None:
    told = failure(capfd, "--http-listen", "unix:/no/such/place")
    assert "cannot listen on unix:/no/such/place: No such file or directory" in told


@pytest.mark.parametrize("arguments", [["--limits", "/no/such/file"], ["/no/such/directory"]])
def test_missing_input_is_told(capfd: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    told = failure(capfd, *arguments)
    assert f"tollhouse: {arguments[-1]}: cannot be read: No such file or directory" in told


def test_refused_limits_file_is_told_line_by_line(
    capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    limits = tmp_path / "limits.yaml"
    limits.write_text("- {namespace: n, seconds: x, conditions: [')'], variables: []}")
    told = failure(capfd, "--limits", str(limits)).splitlines()
    assert told[0] == "tollhouse: the limits file is refused"
    assert sorted(line.split(": ")[1] for line in told[1:]) == ["conditions[0]", "seconds"]
    assert all(line.startswith(f"{limits}:1: ") for line in told[1:])
