"""limitador-server's recorded command lines, run against `tollhouse limitador`.

What ends by itself runs in this process, as the recordings' own tool would in another; what serves
runs in one of its own.
"""

import importlib
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from tests.recordings.limitador_replay import COMMAND, RECORDINGS, ROOT
from tollhouse.__main__ import main

CASES = [json.loads(path.read_text()) for path in sorted(RECORDINGS.glob("recordings/cli/*.json"))]
VARIABLES = ("REDIS_URL", "RUST_LOG", "LIMITS_FILE", "RATE_LIMIT_HEADERS")

pytestmark = pytest.mark.skipif(not CASES, reason="the recordings are not here")


def taken(*, serving: bool) -> list[Any]:
    return [
        pytest.param(case, id=case["name"])
        for case in CASES
        if (bool(case.get("serves")) or "{redis}" in str(case)) == serving
    ]


@pytest.fixture
def tool(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.syspath_prepend(str(RECORDINGS))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    yield importlib.import_module("cli")
    for module in ("cli", "lib"):
        sys.modules.pop(module, None)


@pytest.mark.parametrize("case", taken(serving=False))
def test_line_that_ends_by_itself(
    case: dict[str, Any],
    tool: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, text in (case.get("files") or {}).items():
        (tmp_path / name).write_text(text)
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    for name, value in (case.get("env") or {}).items():
        monkeypatch.setenv(name, value)
    places = {"dir": str(tmp_path), "grpc": "0", "http": "0"}
    words = [word.format_map(places) for word in case["argv"]]
    try:
        code = main(["limitador", *words])
    except SystemExit as ended:
        code = ended.code or 0
    told = capfd.readouterr()
    assert tool_difference(case, code, told.out, told.err) == []


def tool_difference(case: dict[str, Any], code: int, out: str, err: str) -> list[str]:
    """The recorded result against this one, in the form that the recordings' tool gives it."""
    found: dict[str, Any] = {"exit": code, "stdout_empty": not out, "stderr_empty": not err}
    for place, text, key in (("out", out, "stdout"), ("err", err, "stderr")):
        for pattern in case.get(key) or []:
            seen = re.search(pattern, text, re.MULTILINE) is not None
            found.setdefault("matches", {})[f"{place}: {pattern}"] = seen
    if case.get("options"):
        found["options"] = sorted(set(re.findall(r"(?<![\w-])--[a-z][a-z0-9-]+", out)))
    if case.get("yaml_stdout") and code == 0:
        found["yaml"] = yaml.safe_load(out) or []
    difference: list[str] = importlib.import_module("lib").diff(case["result"], found)
    return difference


# The tool leaves the files open that it reads the output from.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.slow
@pytest.mark.parametrize("case", taken(serving=True))
def test_line_that_serves(case: dict[str, Any], tool: ModuleType) -> None:
    result = tool.attempt(f"{COMMAND} {{argv}}", case)
    assert not isinstance(result, Exception), result
    assert importlib.import_module("lib").diff(case["result"], result) == []
