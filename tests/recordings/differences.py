"""What a server answers in another way than was recorded, by the recordings' own tool."""

import os
from types import ModuleType
from typing import Any

Recording = dict[str, Any]


def differences(
    lib: ModuleType,
    recordings: list[Recording],
    *,
    serve: str,
    family: str,
    different: set[tuple[str, int]],
    jobs: int,
) -> list[str]:
    """A line for each; also for what should differ on purpose and does not.

    different: (case, step from 1) that differ on purpose. jobs: servers that run at once.
    """
    got = lib.run_all(
        lib.groups([as_case(recording) for recording in recordings]),
        lambda batch: lib.run_group(serve, family, batch[0], batch[1], os.devnull),
        jobs,
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
            if (name, number) in different:
                # What differs on purpose must differ, or the entry is stale.
                found = [] if found else [" answers as recorded"]
            wrong += [f"{name}: step {number} {difference}" for difference in found]
    return wrong


def as_case(recording: Recording) -> Recording:
    """Without the answers, as the recordings' tool runs it."""
    return dict(recording, steps=[step["request"] for step in recording["steps"]])
