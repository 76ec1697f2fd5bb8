"""The native parts of the counter store under sanitizers: threads, and damaged replies."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCE = Path(__file__).resolve().parent / "native" / "store_drive.cpp"
LIMIT = 1500

pytestmark = pytest.mark.slow  # they compile a program first


def drive(sanitizers: str, into: Path, *words: str) -> str:
    program = into / "store_drive"
    subprocess.run(
        [
            *("g++", "-std=c++17", "-O0", "-g1", "-Wall", f"-fsanitize={sanitizers}"),
            *("-fno-sanitize-recover=all", f"-I{ROOT / '_fastpath'}", str(SOURCE)),
            *("-o", str(program), "-pthread"),
        ],
        check=True,
    )
    done = subprocess.run([program, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_threads_spend_each_limit_exactly(tmp_path: Path) -> None:
    """Four threads, 24,000 hits on three limits of 1,500: no more, and no fewer."""
    assert drive("thread", tmp_path, "threads").split() == [str(LIMIT)] * 3


def test_damaged_replies_are_refused(tmp_path: Path) -> None:
    assert int(drive("address,undefined", tmp_path, "fuzz", "7")) > 1000
