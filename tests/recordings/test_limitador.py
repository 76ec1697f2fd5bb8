"""What is quick of the answers recorded from Limitador, replayed against `tollhouse limitador`."""

import fnmatch
import importlib
import os
import sys
from collections.abc import Iterator
from types import ModuleType

import pytest

from tests.recordings.differences import as_case
from tests.recordings.limitador_replay import (
    CASES,
    DIFFERENCES,
    RECORDINGS,
    ROOT,
    SERVE,
    names,
    take_part,
    wrong_answers,
)

DEFECTS = DIFFERENCES["defects"]

pytestmark = pytest.mark.skipif(not RECORDINGS.is_dir(), reason="the recordings are not here")


@pytest.fixture
def replay(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.syspath_prepend(str(RECORDINGS))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    yield importlib.import_module("replay")
    for module in ("replay", "fuzz", "lib", "cli", "recorder"):
        sys.modules.pop(module, None)


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
    assert known == DEFECTS.keys()
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
def test_cases_that_share_a_server_answer_as_recorded(replay: ModuleType) -> None:
    lib = importlib.import_module("lib")
    recordings = [r for r in take_part(replay, "limitador") if not lib.is_own(as_case(r))]
    assert wrong_answers(lib, recordings) == []
    assert len(recordings) > 50
