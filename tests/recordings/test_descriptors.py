"""Answers recorded from envoyproxy/ratelimit, replayed against `tollhouse ratelimit`.

The replay itself belongs to the recordings; steps listed in descriptors.yaml differ on purpose,
each for a reason.
"""

import importlib
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import yaml

from tests.recordings.differences import Recording, differences

ROOT = Path(__file__).resolve().parents[2]
RECORDINGS = ROOT.parent / "shared" / "recordings" / "ratelimit"
DIFFERENCES = yaml.safe_load((Path(__file__).parent / "descriptors.yaml").read_text())
STEPS = {(entry["case"], number) for entry in DIFFERENCES["steps"] for number in entry["numbers"]}
SERVE = f"{shlex.quote(sys.executable)} -m tollhouse ratelimit"
QUICK = ("d-basic", "d-nested", "d-wildcard-order", "d-hits-addend-per-descriptor", "d-override")

pytestmark = pytest.mark.skipif(not RECORDINGS.is_dir(), reason="the recordings are not here")


@pytest.fixture
def replay(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.syspath_prepend(str(RECORDINGS))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("TOLLHOUSE_THREADS", "1")
    yield importlib.import_module("replay")
    for module in ("replay", "fuzz", "lib", "cli", "recorder"):
        sys.modules.pop(module, None)


def wrong_answers(recordings: list[Recording]) -> list[str]:
    lib = importlib.import_module("lib")
    return differences(lib, recordings, serve=SERVE, family="descriptors", different=STEPS, jobs=8)


@pytest.mark.slow
def test_simple_cases_answer_as_recorded(
    replay: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BACKEND_TYPE", "memory")
    recordings = [r for r in replay.load("descriptors") if r["name"] in QUICK]
    wrong = wrong_answers(recordings)
    assert not wrong, "\n".join(wrong)
    assert len(recordings) == len(QUICK)


@pytest.mark.slow
def test_cases_answer_as_recorded(replay: ModuleType) -> None:
    """On Redis, which the recordings start for every server. Of the files that are refused one is
    enough here: test_domain_file has them all, without a process for each."""
    recordings = [
        recording
        for recording in replay.load("descriptors")
        if recording["name"] == "d-config-bad-not-yaml"
        or not recording["name"].startswith("d-config-bad-")
    ]
    wrong = wrong_answers(recordings)
    assert not wrong, "\n".join(wrong)
    assert len(recordings) > 35
