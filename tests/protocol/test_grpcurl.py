"""grpcurl, a client on grpc-go, against the real process: it finds its way by reflection."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.protocol.programs import GRPCURL, go_program
from tests.tollhouse.server_process import ServerProcess, serving
from tollhouse.settings import Transport

RLS = "envoy.service.ratelimit.v3.RateLimitService"


@pytest.fixture(scope="module")
def grpcurl() -> Path:
    return go_program(GRPCURL)


@pytest.fixture(params=list(Transport))
def server(
    request: pytest.FixtureRequest, tmp_path: Path, grpcurl: Path
) -> Iterator[ServerProcess]:
    limits = tmp_path / "limits.yaml"
    limits.write_text("- {namespace: n, max_value: 1, seconds: 60, conditions: [], variables: []}")
    with serving("--limits", str(limits), "--transport", request.param) as running:
        yield running


def run(grpcurl: Path, server: ServerProcess, *words: str) -> subprocess.CompletedProcess[str]:
    options, words = ([words[0], words[1]], words[2:]) if words[0] == "-d" else ([], words)
    return subprocess.run(
        [grpcurl, "-plaintext", "-max-time", "10", *options, server.grpc, *words],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@pytest.mark.slow
def test_services_are_listed_and_described(grpcurl: Path, server: ServerProcess) -> None:
    listed = run(grpcurl, server, "list").stdout.split()
    assert {RLS, "envoy.service.auth.v3.Authorization", "grpc.health.v1.Health"} <= set(listed)
    assert "kuadrant.service.ratelimit.v1.RateLimitService" in listed
    for service in listed:
        assert f"{service} is a service" in run(grpcurl, server, "describe", service).stdout


@pytest.mark.slow
def test_calls_are_answered(grpcurl: Path, server: ServerProcess) -> None:
    def should() -> Any:
        done = run(grpcurl, server, "-d", '{"domain": "n"}', f"{RLS}/ShouldRateLimit")
        return json.loads(done.stdout)["overall_code"]

    assert [should(), should()] == ["OK", "OVER_LIMIT"]
    health = run(grpcurl, server, "grpc.health.v1.Health/Check").stdout
    assert json.loads(health) == {"status": "SERVING"}


@pytest.mark.slow
def test_failed_call_is_told(grpcurl: Path, server: ServerProcess) -> None:
    done = run(grpcurl, server, "-d", '{"service": "x"}', "grpc.health.v1.Health/Check")
    assert done.returncode != 0
    assert "NotFound" in done.stderr
