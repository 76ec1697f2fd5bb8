"""Rules every file of the repository keeps."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# Split, so that this file does not match itself.
ABSENT = re.compile(
    "|".join(
        [
            r"/ro" r"ot/",
            r"/wo" r"rk/",
            r"\bnot implemented" r" yet\b",
            r"\bplace" r"holder\b",
            r"\bdum" r"my\b",
            r"\bTO" r"DO: implement\b",
            r"\bblaz" r"ing\b",
            r"\bseam" r"less\b",
            r"\bproduction-" r"ready\b",
        ]
    ),
    re.IGNORECASE,
)
TEXT = {".py", ".pyi", ".pyx", ".pxd", ".hpp", ".c", ".md", ".toml", ".yaml", ".yml", ".sh", ""}


def tracked() -> list[Path]:
    """Files under version control; all files of an unpacked archive."""
    listing = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listing.returncode:
        pytest.skip("the tree is no git checkout")
    names = [ROOT / name for name in listing.stdout.split("\0") if name]
    return [path for path in names if path.suffix in TEXT and path.is_file()]


def test_sources_name_no_machine_and_make_no_promises() -> None:
    hits = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in tracked()
        if "vendor" not in path.parts and path.name != "LICENSE"
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if ABSENT.search(line)
    ]
    assert hits == []


MOST_LINES = {".py": 500, ".pyx": 700, ".pxd": 500, ".hpp": 500}


def test_files_keep_to_one_idea() -> None:
    long = [
        f"{path.relative_to(ROOT)}: {lines}"
        for path in tracked()
        if path.suffix in MOST_LINES and path.parts[len(ROOT.parts)] not in {"tests", "protos"}
        for lines in [len(path.read_text(encoding="utf-8").splitlines())]
        if lines > MOST_LINES[path.suffix]
    ]
    assert long == []
