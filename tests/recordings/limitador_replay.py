"""Replays what was recorded from Limitador against `tollhouse limitador`.

`python -m tests.recordings.limitador_replay` replays all of it in a few minutes; the tests take
what is quick. The replay itself belongs to the recordings; what limitador.yaml lists is left out,
or must differ, each for a reason.
"""

import fnmatch
import importlib
import os
import shlex
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
RECORDINGS = ROOT.parent / "shared" / "recordings" / "ratelimit"
DIFFERENCES = yaml.safe_load((Path(__file__).parent / "limitador.yaml").read_text())
CASES = DIFFERENCES["cases"]
STEPS = {(entry["case"], number) for entry in DIFFERENCES["steps"] for number in entry["numbers"]}
COMMAND = f"{shlex.quote(sys.executable)} -m tollhouse limitador"
SERVE = f"{COMMAND} -p {{grpc}} -P {{http}} {{args}} {{limits}} {{storage}}"
Recording = dict[str, Any]


def left_out(family: str, name: str) -> bool:
    patterns = (pattern for group in CASES[family] for pattern in group["names"])
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def names(family: str) -> list[str]:
    return sorted(path.stem for path in (RECORDINGS / "recordings" / family).glob("*.json"))


def take_part(replay: ModuleType, family: str) -> list[Recording]:
    return [r for r in replay.load(family) if not left_out(family, r["name"])]


def as_case(recording: Recording) -> Recording:
    """Without the answers, as the recordings' tool runs it."""
    return dict(recording, steps=[step["request"] for step in recording["steps"]])


def differences(lib: ModuleType, recordings: list[Recording]) -> list[str]:
    """What is answered in another way, and what should be and is not."""
    got = lib.run_all(
        lib.groups([as_case(recording) for recording in recordings]),
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
    return wrong


def main() -> int:
    sys.path.insert(0, str(RECORDINGS))
    os.environ["PYTHONPATH"] = str(ROOT)
    replay, lib = importlib.import_module("replay"), importlib.import_module("lib")
    recordings = take_part(replay, "limitador")
    wrong = differences(lib, recordings)
    for line in wrong:
        print(line)
    fuzz = importlib.import_module("fuzz")
    _, failed = fuzz.replay(take_part(replay, "fuzz"), SERVE, os.devnull, 4)
    print(f"{len(recordings)} recordings, {len(wrong)} differences; {failed} fuzz seeds differ")
    return 1 if wrong or failed else 0


if __name__ == "__main__":
    sys.exit(main())
