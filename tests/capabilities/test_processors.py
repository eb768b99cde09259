"""Which processors a process may use, and in which order threads are assigned to them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sd_bench.capabilities.processors import (
    PROCESSORS,
    cores_first,
    num_processors,
    num_usable,
    own_processors,
)


def cores(root: Path, names: str, file: str = "core_cpus_list") -> Path:
    """Processors as Linux shows them: a letter for the core of each."""
    for number, name in enumerate(names):
        folder = root / f"sys/devices/system/cpu/cpu{number}/topology"
        folder.mkdir(parents=True)
        siblings = ",".join(str(n) for n, other in enumerate(names) if other == name)
        (folder / file).write_text(siblings + "\n")
    return root


@pytest.mark.parametrize("file", ["core_cpus_list", "thread_siblings_list"])
def test_every_core_comes_before_a_second_hyper_thread_of_any(tmp_path: Path, file: str) -> None:
    root = cores(tmp_path, "abcabc", file)
    assert cores_first([0, 1, 2, 3, 4, 5], root) == [[0, 1, 2], [3, 4, 5]]
    assert cores_first([5, 3, 0], root) == [[0, 5], [3]]


def test_neighbours_of_one_core_are_taken_in_turns(tmp_path: Path) -> None:
    root = cores(tmp_path, "aabbb")
    assert cores_first([0, 1, 2, 3, 4], root) == [[0, 2], [1, 3], [4]]


def test_without_information_each_processor_is_a_core(tmp_path: Path) -> None:
    assert cores_first([3, 1], tmp_path) == [[1, 3]]
    assert cores_first([], tmp_path) == []


def test_a_bound_process_knows_the_processors_that_it_had(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(PROCESSORS, raising=False)
    assert own_processors() == sorted(os.sched_getaffinity(0))
    monkeypatch.setenv(PROCESSORS, "0,4,6")
    assert (own_processors(), num_processors()) == ([0, 4, 6], 3)


@pytest.mark.parametrize(
    ("limit", "usable"), [("max", 4), ("250000", 3), ("50000", 1), ("900000", 4)]
)
def test_a_quota_is_a_limit_too(
    tmp_path: Path, limit: str, usable: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PROCESSORS, "0,1,2,3")
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/mountinfo").write_text("1 0 0:1 / /cg rw - cgroup2 cgroup2 rw\n")
    (tmp_path / "proc/self/cgroup").write_text("0::/\n")
    (tmp_path / "cg").mkdir()
    (tmp_path / "cg/cpu.stat").touch()
    (tmp_path / "cg/cpu.max").write_text(f"{limit} 100000\n")
    assert num_usable(tmp_path) == usable
