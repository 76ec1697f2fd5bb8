"""How many processors this process may use."""

import math
import os
from pathlib import Path, PurePosixPath

CGROUPS = Path("/sys/fs/cgroup")
MEMBERSHIP = Path("/proc/self/cgroup")


def usable_cpus(cgroups: Path = CGROUPS, membership: Path = MEMBERSHIP) -> int:
    """Processors by CPU affinity and cgroup quota (v1 and v2), rounded up; at least 1."""
    quota = min(_quotas(cgroups, membership), default=math.inf)
    return max(1, min(len(os.sched_getaffinity(0)), math.ceil(min(quota, 1 << 20))))


def _quotas(cgroups: Path, membership: Path) -> list[float]:
    """The quotas of the own group and of all groups above it, in processors."""
    try:
        lines = membership.read_text().splitlines()
    except OSError:
        return []
    quotas = []
    for line in lines:
        _, controllers, group = line.split(":", 2)
        if controllers == "":
            base, read = cgroups, _quota_v2
        elif "cpu" in controllers.split(","):
            base, read = cgroups / "cpu", _quota_v1
        else:
            continue
        parts = PurePosixPath(group).parts[1:]
        places = [base.joinpath(*parts[:depth]) for depth in range(len(parts) + 1)]
        quotas += [quota for place in places if (quota := read(place)) is not None]
    return quotas


def _quota_v2(group: Path) -> float | None:
    try:
        quota, period = (group / "cpu.max").read_text().split()
        return None if quota == "max" else int(quota) / int(period)
    except (OSError, ValueError, ZeroDivisionError):
        return None


def _quota_v1(group: Path) -> float | None:
    try:
        quota = int((group / "cpu.cfs_quota_us").read_text())
        period = int((group / "cpu.cfs_period_us").read_text())
        return quota / period if quota > 0 else None
    except (OSError, ValueError, ZeroDivisionError):
        return None
