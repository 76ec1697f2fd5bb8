"""Runs the replay tool of the Authorino recordings against a server of ours."""

import os
import socket
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
AUTHORINO = ROOT.parent / "shared" / "recordings" / "authorino"


def replay(folder: Path, transport: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`folder` takes the manifests; `arguments` are options and cases of the tool."""
    target, http_target, oidc_target = (f"127.0.0.1:{free_port()}" for _ in range(3))
    manifests = folder / "manifests"
    serve = (
        f"{sys.executable} -m tollhouse serve {manifests} --transport {transport}"
        f" --authz-listen {target} --rls-listen none --http-listen none"
        f" --authz-http-listen {http_target} --oidc-listen {oidc_target}"
    )
    return subprocess.run(
        [
            sys.executable, AUTHORINO / "replay.py", "--write-manifests", manifests,
            "--manifests", manifests, "--start", serve, "--target", target,
            "--http-target", http_target, "--oidc-target", oidc_target, *arguments,
        ],
        env={**os.environ, "PYTHONPATH": str(ROOT), "TZ": "UTC"},
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
