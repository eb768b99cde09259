"""The control groups (cgroups, versions 1 and 2) that limit this process's use of the processors.

A group is limited by its own quota and by those of all the groups around it.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

_ROOT = Path("/")


def cpu_groups(root: Path = _ROOT) -> list[Path]:
    """The folders of this process's group and of its parents that can limit processor time.

    The innermost comes first; in a container the outer ones may not be visible. ``root`` is the
    root of the file system. The list is empty where there are no cgroups.
    """
    try:
        mounts = (root / "proc/self/mountinfo").read_text().splitlines()
        memberships = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return []
    paths = {}  # by controller; version 2's is ""
    for membership in memberships:
        _, controllers, path = membership.split(":", 2)
        paths.update(dict.fromkeys(controllers.split(","), path))
    folders: list[Path] = []
    for mount in mounts:
        left, _, right = mount.partition(" - ")
        kind, *_, options = right.split()
        inside, at = left.split()[3:5]
        controller = "" if kind == "cgroup2" else "cpu"
        is_ours = kind == "cgroup2" or (kind == "cgroup" and "cpu" in options.split(","))
        if is_ours and controller in paths:
            top = root / _unescaped(at).lstrip("/")
            folders += [f for f in _upwards(top, inside, paths[controller]) if f not in folders]
    return [folder for folder in folders if (folder / "cpu.stat").is_file()]


def _unescaped(path: str) -> str:
    """A path from mountinfo, where blanks are octal escapes, as it really is."""
    return path.encode().decode("unicode_escape") if "\\" in path else path


def _upwards(top: Path, inside: str, path: str) -> list[Path]:
    """The folders from the group ``path`` up to ``top``, where the group ``inside`` is mounted."""
    below = path.removeprefix(inside.rstrip("/"))
    is_elsewhere = inside != "/" and below == path
    if is_elsewhere or ".." in below:  # not visible here: the mounted group is the nearest
        below = ""
    folder = top / below.lstrip("/")
    return [folder, *(parent for parent in folder.parents if parent.is_relative_to(top))]


def cpu_quota(groups: list[Path]) -> float | None:
    """How many processors' worth of time the tightest of ``groups`` allows; None without a limit.

    0.5 means that all threads together may run half of the time.
    """
    quotas = [quota for group in groups if (quota := _quota(group)) is not None]
    return min(quotas, default=None)


def _quota(group: Path) -> float | None:
    with suppress(OSError, ValueError):
        quota, period = (group / "cpu.max").read_text().split()
        return None if quota == "max" else int(quota) / int(period)
    with suppress(OSError, ValueError):
        quota_us = int((group / "cpu.cfs_quota_us").read_text())
        return None if quota_us < 0 else quota_us / int((group / "cpu.cfs_period_us").read_text())
    return None


def read_throttling(groups: list[Path]) -> dict[str, float]:
    """How often, and for how many seconds, their quotas have paused ``groups`` so far."""
    periods, seconds = 0, 0.0
    for group in groups:
        facts = dict(line.split() for line in (group / "cpu.stat").read_text().splitlines())
        periods += int(facts.get("nr_throttled", 0))
        seconds += int(facts.get("throttled_usec", 0)) / 1e6  # version 2
        seconds += int(facts.get("throttled_time", 0)) / 1e9  # version 1
    return {"quota_throttled_periods": float(periods), "quota_throttled_s": seconds}
