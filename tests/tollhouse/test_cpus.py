"""How many processors affinity and cgroups leave."""

import os
from pathlib import Path

import pytest

from tollhouse.cpus import usable_cpus


@pytest.fixture(autouse=True)
def eight_cpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)))


def group(root: Path, path: str, **files: str) -> None:
    place = root / path
    place.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (place / name.replace("__", ".")).write_text(text)


def cpus(root: Path, membership: str) -> int:
    file = root / "membership"
    file.write_text(membership)
    return usable_cpus(root, file)


@pytest.mark.parametrize(
    ("quota", "usable"),
    [("max 100000", 8), ("200000 100000", 2), ("150000 100000", 2), ("1000 100000", 1)],
)
def test_quota_of_own_group_counts(tmp_path: Path, quota: str, usable: int) -> None:
    group(tmp_path, "a/b", cpu__max=quota)
    assert cpus(tmp_path, "0::/a/b\n") == usable


def test_quota_of_a_group_above_counts(tmp_path: Path) -> None:
    group(tmp_path, "a", cpu__max="300000 100000")
    group(tmp_path, "a/b", cpu__max="max 100000")
    assert cpus(tmp_path, "0::/a/b\n") == 3


def test_first_version_of_cgroups_is_read(tmp_path: Path) -> None:
    group(tmp_path, "cpu/x", **{"cpu.cfs_quota_us": "400000", "cpu.cfs_period_us": "100000"})
    assert cpus(tmp_path, "5:memory:/x\n4:cpu,cpuacct:/x\n") == 4


def test_unlimited_first_version_leaves_affinity(tmp_path: Path) -> None:
    group(tmp_path, "cpu", **{"cpu.cfs_quota_us": "-1", "cpu.cfs_period_us": "100000"})
    assert cpus(tmp_path, "4:cpu:/\n") == 8


@pytest.mark.parametrize("text", ["", "nonsense", "0 0", "100000 0"])
def test_unreadable_quota_is_none(tmp_path: Path, text: str) -> None:
    group(tmp_path, "", cpu__max=text)
    assert cpus(tmp_path, "0::/\n") >= 1


def test_no_cgroups_leave_affinity(tmp_path: Path) -> None:
    assert usable_cpus(tmp_path / "none", tmp_path / "none") == 8
