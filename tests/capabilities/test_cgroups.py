"""Quotas and throttling, read from files as Linux writes them, and from a real group."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sd_bench.capabilities.cgroups import cpu_groups, cpu_quota, read_throttling

V1_MOUNT = "33 31 0:29 {inside} /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:9 - cgroup cgroup rw,cpu,cpuacct"  # noqa: E501
V2_MOUNT = "31 23 0:28 {inside} /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate"
V1_STAT = "nr_periods 40\nnr_throttled 12\nthrottled_time 2500000000\n"
V2_STAT = "usage_usec 9\nnr_periods 40\nnr_throttled 12\nthrottled_usec 2500000\nnr_bursts 0\n"


def system(root: Path, mount: str, membership: str, files: dict[str, str]) -> Path:
    """A file system that states where the groups are mounted, which is ours, and their limits."""
    proc = root / "proc/self"
    proc.mkdir(parents=True)
    (proc / "mountinfo").write_text(f"22 1 8:1 / / rw - ext4 /dev/sda1 rw\n{mount}\n")
    (proc / "cgroup").write_text(membership)
    for name, text in files.items():
        (root / "sys/fs/cgroup" / name).parent.mkdir(parents=True, exist_ok=True)
        (root / "sys/fs/cgroup" / name).write_text(text)
    return root


def test_in_version_2_the_tightest_of_all_groups_around_counts(tmp_path: Path) -> None:
    root = system(tmp_path, V2_MOUNT.format(inside="/"), "0::/user.slice/job\n", {
        "cpu.stat": "usage_usec 5\n",  # the root has neither quota nor throttling
        "user.slice/cpu.max": "50000 100000\n", "user.slice/cpu.stat": V2_STAT,
        "user.slice/job/cpu.max": "300000 100000\n", "user.slice/job/cpu.stat": V2_STAT,
    })  # fmt: skip
    groups = cpu_groups(root)
    assert [g.name for g in groups] == ["job", "user.slice", "cgroup"]
    assert cpu_quota(groups) == 0.5
    assert read_throttling(groups) == {"quota_throttled_periods": 24, "quota_throttled_s": 5.0}


def test_in_version_1_the_cpu_controller_counts(tmp_path: Path) -> None:
    membership = "4:memory:/elsewhere\n3:cpu,cpuacct:/a b/job\n0::/\n"
    root = system(tmp_path, V1_MOUNT.format(inside="/"), membership, {
        "cpu,cpuacct/cpu.cfs_quota_us": "-1\n", "cpu,cpuacct/cpu.cfs_period_us": "100000\n",
        "cpu,cpuacct/cpu.stat": "nr_periods 0\nnr_throttled 0\nthrottled_time 0\n",
        "cpu,cpuacct/a b/job/cpu.cfs_quota_us": "150000\n",
        "cpu,cpuacct/a b/job/cpu.cfs_period_us": "100000\n",
        "cpu,cpuacct/a b/job/cpu.stat": V1_STAT,
    })  # fmt: skip
    groups = cpu_groups(root)
    assert cpu_quota(groups) == 1.5
    assert read_throttling(groups) == {"quota_throttled_periods": 12, "quota_throttled_s": 2.5}


@pytest.mark.parametrize(
    ("inside", "path"),
    [
        ("/docker/0af", "/docker/0af"),  # a container that sees the host's names
        ("/", "/../../0af"),  # one that was moved, in a separate namespace
        ("/docker/0af", "/system.slice"),  # out of sight
    ],
)
def test_in_a_container_what_is_mounted_there_counts(
    inside: str, path: str, tmp_path: Path
) -> None:
    files = {"cpu.max": "25000 100000\n", "cpu.stat": V2_STAT}
    root = system(tmp_path, V2_MOUNT.format(inside=inside), f"0::{path}\n", files)
    assert cpu_quota(cpu_groups(root)) == 0.25


def test_without_groups_or_limits_there_is_no_quota(tmp_path: Path) -> None:
    assert cpu_groups(tmp_path) == []
    assert cpu_quota([]) is None
    files = {"cpu.max": "max 100000\n", "cpu.stat": "usage_usec 5\n"}
    root = system(tmp_path, V2_MOUNT.format(inside="/"), "0::/\n", files)
    assert cpu_quota(cpu_groups(root)) is None
    assert read_throttling(cpu_groups(root))["quota_throttled_s"] == 0


@pytest.fixture
def tight_group() -> Iterator[Path]:
    """A real group of this machine limited to a fifth of a processor, if one can be created."""
    files = {"cpu.max": "20000 100000", "cpu.cfs_quota_us": "20000"}
    for parent in cpu_groups():
        group = parent / f"sd_bench-test-{os.getpid()}"
        try:
            group.mkdir()
        except OSError:
            continue
        try:
            limits = [group / name for name in files if (group / name).exists()]
            for limit in limits:
                limit.write_text(files[limit.name])
            if limits:
                yield group
                return
        finally:
            group.rmdir()
    pytest.skip("no group with a quota can be made here: it needs root")


BURN = """
import json, os, sys, time
from pathlib import Path
Path(sys.argv[1], "cgroup.procs").write_text(str(os.getpid()))
from sd_bench.capabilities.cgroups import cpu_groups, cpu_quota
from sd_bench.measurement.disturbances import counted_flags
from sd_bench.measurement.host_counters import HostCounters, between
with HostCounters() as host:
    before, began = host.read(), time.perf_counter()
    while time.thread_time() < before["thread_cpu_s"] + 0.1:
        pass
    counted, total_s = between(before, host.read()), time.perf_counter() - began
print(json.dumps([cpu_quota(cpu_groups()), counted_flags(counted, total_s, 1, True)]))
"""


def test_a_real_quota_is_found_and_its_throttling_counted(tight_group: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", BURN, str(tight_group)],
        cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True, timeout=100,
    )  # fmt: skip
    quota, flags = json.loads(done.stdout)
    assert quota == 0.2
    assert "throttled: cpu quota" in flags
