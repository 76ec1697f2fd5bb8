"""Answers recorded from Limitador, replayed against `tollhouse limitador`.

The replay itself belongs to the recordings; cases listed in limitador.yaml are left out, each for a
reason.
"""

import fnmatch
import importlib
import os
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
RECORDINGS = ROOT.parent / "shared" / "recordings" / "ratelimit"
DIFFERENCES = yaml.safe_load((Path(__file__).parent / "limitador.yaml").read_text())
CASES = DIFFERENCES["cases"]
DEFECTS = DIFFERENCES["defects"]
# They need redis_cached.
UNTESTED = {
    "redis-cached-cold-over-maximum",
    "redis-cached-exhausted-key-after-restart",
    "redis-cached-report-then-decide",
}
STEPS = {(entry["case"], number) for entry in DIFFERENCES["steps"] for number in entry["numbers"]}
SERVE = (
    f"{shlex.quote(sys.executable)} -m tollhouse limitador -p {{grpc}} -P {{http}}"
    " {args} {limits} {storage}"
)

pytestmark = pytest.mark.skipif(not RECORDINGS.is_dir(), reason="the recordings are not here")


def left_out(family: str, name: str) -> bool:
    patterns = (pattern for group in CASES[family] for pattern in group["names"])
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def names(family: str) -> list[str]:
    return sorted(path.stem for path in (RECORDINGS / "recordings" / family).glob("*.json"))


@pytest.fixture
def replay(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.syspath_prepend(str(RECORDINGS))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    yield importlib.import_module("replay")
    for module in ("replay", "fuzz", "lib", "cli", "recorder"):
        sys.modules.pop(module, None)


def take_part(replay: ModuleType, family: str) -> list[dict[str, Any]]:
    return [r for r in replay.load(family) if not left_out(family, r["name"])]


@pytest.mark.parametrize("family", sorted(CASES))
def test_every_left_out_name_exists(family: str) -> None:
    for group in CASES[family]:
        for pattern in group["names"]:
            assert fnmatch.filter(names(family), pattern), pattern


def test_every_defect_is_tested_to_be_right() -> None:
    known = {
        path.stem
        for family in ("limitador", "cli")
        for path in (RECORDINGS / "recordings-defects" / family).glob("*.json")
    }
    assert known - DEFECTS.keys() == UNTESTED
    for module, test in DEFECTS.values():
        source = (ROOT / "tests" / f"{module}.py").read_text()
        assert f"def {test}(" in source, test


@pytest.mark.slow
def test_random_limits_answer_as_recorded(
    replay: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    fuzz = importlib.import_module("fuzz")
    passed, failed = fuzz.replay(take_part(replay, "fuzz"), SERVE, os.devnull, 4)
    assert failed == 0, capsys.readouterr().out
    assert passed > 100


@pytest.mark.slow
def test_cases_answer_as_recorded(replay: ModuleType) -> None:
    lib = importlib.import_module("lib")
    recordings = take_part(replay, "limitador")
    cases = [dict(r, steps=[s["request"] for s in r["steps"]]) for r in recordings]
    got = lib.run_all(
        lib.groups(cases),
        lambda batch: lib.run_group(SERVE, "limitador", batch[0], batch[1], os.devnull),
        2,
    )
    wrong = []
    for recording in recordings:
        name = recording["name"]
        answers = got[name]
        if isinstance(answers, Exception):
            wrong.append(f"{name}: {answers!r}")
            continue
        for number, (step, answer) in enumerate(zip(recording["steps"], answers, strict=True), 1):
            found = lib.diff(step.get("response"), answer)
            if (name, number) in STEPS:
                # What differs on purpose must differ, or the entry is stale.
                found = [] if found else [" answers as recorded"]
            wrong += [f"{name}: step {number} {difference}" for difference in found]
    assert not wrong, "\n".join(wrong)
    assert len(recordings) > 50
