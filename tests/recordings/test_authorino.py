"""Answers recorded from Authorino, replayed against `tollhouse serve`.

A case takes part when everything its AuthConfigs ask for exists.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from authz.errors import InvalidAuthConfig
from authz.reading import read_auth_config
from tests.recordings.authorino_replay import AUTHORINO, replay

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


@pytest.mark.slow
@pytest.mark.parametrize("transport", ["native", "grpcio"])
def test_recorded_answers_are_given(transport: str, tmp_path: Path) -> None:
    names = [name for name, documents in cases().items() if not refusals(documents)]
    assert len(names) >= 35
    found = replay(tmp_path, transport, *names)
    assert found.returncode == 0, found.stdout[-4000:] + found.stderr[-2000:]
    assert found.stdout.rstrip().endswith(" passed, 0 failed")  # and none skipped
