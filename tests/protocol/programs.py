"""Go programs that tests use as peers; built on first use where there is Go."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUILT = ROOT / ".cache" / "go" / "bin"
VENV = ROOT / ".venv" / "bin"

H2SPEC = "github.com/summerwind/h2spec/cmd/h2spec@v2.2.1+incompatible"
OPA = "github.com/open-policy-agent/opa@v1.22.2"
GRPCURL = "github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.3"


def go_program(package: str) -> Path:
    """The program of `package`; skips the test where it is neither built nor can be."""
    name = package.partition("@")[0].rpartition("/")[2]
    for place in (VENV / name, BUILT / name):
        if place.exists():
            return place
    if shutil.which("go") is None:
        pytest.skip(f"{name} is not built and there is no Go to build it")
    environment = {**os.environ, "GOBIN": str(BUILT), "GOFLAGS": "-mod=mod"}
    done = subprocess.run(
        ["go", "install", package], env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        pytest.skip(f"{name} could not be built: {done.stderr.strip().splitlines()[-1:]}")
    return BUILT / name
