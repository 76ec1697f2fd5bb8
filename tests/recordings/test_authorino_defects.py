"""Recorded behavior of Authorino that is not to be copied: the safe answer is given instead."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.recordings.authorino_replay import AUTHORINO, replay

SAFE: dict[str, dict[str, dict[str, Any]]] = yaml.safe_load(
    Path(__file__).with_name("authorino_defects.yaml").read_text()
)
GRPC_CODES = {401: 16, 403: 7, 503: 14}

pytestmark = pytest.mark.skipif(not AUTHORINO.is_dir(), reason="the recordings are not here")


def safe_answer(step: dict[str, Any], safe: dict[str, Any]) -> dict[str, Any]:
    """The recorded step with the answer that is wanted in its place."""
    answer = step["answer"]
    if "ok" in safe:
        answer = {
            "grpc": "OK", "status": {"code": 0}, "dynamic_metadata": safe.get("metadata", {}),
            "ok": {"headers": safe["ok"], "headers_order": "any"},
        }  # fmt: skip
    elif "denied" in safe:
        status, reason = safe["denied"]
        headers = answer.get("denied", {}).get("headers", [])[:-1] if status == 401 else []
        if "challenge" in safe:
            headers = [["WWW-Authenticate", safe["challenge"]]]
        answer = {
            "grpc": "OK", "status": {"code": GRPC_CODES[status]}, "dynamic_metadata": {},
            "denied": {
                "http_status": status, "body": "",
                "headers": [*headers, ["X-Ext-Auth-Reason", reason]],
            },
        }  # fmt: skip
    elif "http" in safe:
        answer = {"http": {**answer["http"], "status": safe["http"]}}
    requests = (step["backend_requests"] or [])[: safe.get("backend")]
    return {**step, "answer": answer, "backend_requests": requests}


@pytest.mark.slow
def test_defects_are_not_copied(tmp_path: Path) -> None:
    recordings = tmp_path / "recordings"
    recordings.mkdir()
    files = sorted((AUTHORINO / "recordings-defects").glob("*.json"))
    assert {file.stem for file in files} <= SAFE.keys()
    for file in files:
        case = json.loads(file.read_text())
        safe = SAFE[file.stem]
        assert safe.keys() <= {step["name"] for step in case["steps"]}
        case["steps"] = [safe_answer(step, safe.get(step["name"], {})) for step in case["steps"]]
        (recordings / file.name).write_text(json.dumps(case))
    found = replay(tmp_path, "native", "--recordings", str(recordings))
    assert found.returncode == 0, found.stdout[-4000:] + found.stderr[-2000:]
