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

import yaml

from tests.recordings.differences import Recording, differences

ROOT = Path(__file__).resolve().parents[2]
RECORDINGS = ROOT.parent / "shared" / "recordings" / "ratelimit"
DIFFERENCES = yaml.safe_load((Path(__file__).parent / "limitador.yaml").read_text())
CASES = DIFFERENCES["cases"]
STEPS = {(entry["case"], number) for entry in DIFFERENCES["steps"] for number in entry["numbers"]}
COMMAND = f"{shlex.quote(sys.executable)} -m tollhouse limitador"
SERVE = f"{COMMAND} -p {{grpc}} -P {{http}} {{args}} {{limits}} {{storage}}"


def left_out(family: str, name: str) -> bool:
    patterns = (pattern for group in CASES[family] for pattern in group["names"])
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def names(family: str) -> list[str]:
    return sorted(path.stem for path in (RECORDINGS / "recordings" / family).glob("*.json"))


def take_part(replay: ModuleType, family: str) -> list[Recording]:
    return [r for r in replay.load(family) if not left_out(family, r["name"])]


def wrong_answers(lib: ModuleType, recordings: list[Recording]) -> list[str]:
    return differences(lib, recordings, serve=SERVE, family="limitador", different=STEPS, jobs=2)


def main() -> int:
    sys.path.insert(0, str(RECORDINGS))
    os.environ["PYTHONPATH"] = str(ROOT)
    replay, lib = importlib.import_module("replay"), importlib.import_module("lib")
    recordings = take_part(replay, "limitador")
    wrong = wrong_answers(lib, recordings)
    for line in wrong:
        print(line)
    fuzz = importlib.import_module("fuzz")
    _, failed = fuzz.replay(take_part(replay, "fuzz"), SERVE, os.devnull, 4)
    print(f"{len(recordings)} recordings, {len(wrong)} differences; {failed} fuzz seeds differ")
    return 1 if wrong or failed else 0


if __name__ == "__main__":
    sys.exit(main())
