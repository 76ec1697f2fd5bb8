"""Answers recorded from Authorino, replayed against `tollhouse serve`.

A case takes part when everything its AuthConfigs ask for exists.
"""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from authz.errors import InvalidAuthConfig
from authz.reading import read_auth_config

ROOT = Path(__file__).resolve().parents[2]
AUTHORINO = ROOT.parent / "shared" / "recordings" / "authorino"

pytestmark = pytest.mark.skipif(not AUTHORINO.is_dir(), reason="the recordings are not here")


def cases() -> dict[str, list[dict[str, Any]]]:
    """The AuthConfigs of every case, also those a step brings."""
    found = {}
    for path in sorted((AUTHORINO / "recordings").glob("*.json")):
        case = json.loads(path.read_text())
        changes = [change for step in case["steps"] for change in step.get("before") or []]
        objects = case["objects"] + [change["apply"] for change in changes if "apply" in change]
        found[case["name"]] = [o for o in objects if o["kind"] == "AuthConfig"]
    return found


def refusals(documents: list[dict[str, Any]]) -> list[str]:
    found: list[str] = []
    for document in documents:
        try:
            read_auth_config("namespace", "name", document)
        except InvalidAuthConfig as error:
            found += [fault.message for fault in error.faults]
    return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.slow
@pytest.mark.parametrize("transport", ["native", "grpcio"])
def test_recorded_answers_are_given(transport: str, tmp_path: Path) -> None:
    names = [name for name, documents in cases().items() if not refusals(documents)]
    assert len(names) >= 35
    target, http_target, oidc_target = (f"127.0.0.1:{free_port()}" for _ in range(3))
    manifests = tmp_path / "manifests"
    serve = (
        f"{sys.executable} -m tollhouse serve {manifests} --transport {transport}"
        f" --authz-listen {target} --rls-listen none --http-listen none"
        f" --authz-http-listen {http_target} --oidc-listen {oidc_target}"
    )
    replay = subprocess.run(
        [
            sys.executable, AUTHORINO / "replay.py", "--write-manifests", manifests,
            "--manifests", manifests, "--start", serve, "--target", target,
            "--http-target", http_target, "--oidc-target", oidc_target, *names,
        ],
        env={**os.environ, "PYTHONPATH": str(ROOT), "TZ": "UTC"},
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert replay.returncode == 0, replay.stdout[-4000:] + replay.stderr[-2000:]
    assert replay.stdout.rstrip().endswith(" passed, 0 failed")  # and none skipped
