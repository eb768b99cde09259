"""Lasting causes of slowness: kinds of processors, memory, switches, the machine."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from sd_bench.measurement.host_facts import (
    describe_machine,
    describe_memory,
    describe_processors,
    parse_list,
    write_list,
)

REPOSITORY = Path(__file__).parents[2]
PRINT = (
    "import json; from sd_bench.measurement.host_facts import *; "
    "from sd_bench.capabilities.processors import own_processors; numbers = own_processors(); "
    "print(json.dumps([describe_scheduling(), python_switches(), describe_processors(numbers)]))"
)


def facts_of(prefix: Sequence[str] = (), *flags: str, **variables: str) -> list[dict[str, Any]]:
    """Scheduling, switches and processors of an interpreter that is started in this way."""
    done = subprocess.run(
        [*prefix, sys.executable, *flags, "-c", PRINT], cwd=REPOSITORY, capture_output=True,
        text=True, check=True, env={"PATH": "/usr/bin:/bin", **variables},
    )  # fmt: skip
    facts: list[dict[str, Any]] = json.loads(done.stdout)
    return facts


def test_niceness_policy_and_processors_are_found() -> None:
    plain, _, _ = facts_of()
    nice, _, _ = facts_of(["nice", "-n", "3"])
    assert nice["niceness"] == min(19, plain["niceness"] + 3)
    batch, _, _ = facts_of(["chrt", "--batch", "0"])
    assert (plain["policy"], batch["policy"]) == ("other", "batch")
    _, _, one = facts_of(["taskset", "-c", "0"])
    assert (one["affinity"], one["whole_cores"] in (1, None)) == (1, True)


@pytest.mark.slow
def test_slow_switches_of_python_are_found_and_harmless_ones_are_not() -> None:
    assert facts_of(PYTHONFAULTHANDLER="1", PYTHONUTF8="1")[1] == {}
    assert facts_of(PYTHONDEVMODE="1", PYTHONMALLOC="debug")[1] == {
        "dev_mode": True, "malloc": "debug",
    }  # fmt: skip
    assert facts_of([], "-X", "tracemalloc")[1] == {"tracemalloc": True}
    assert facts_of([], "-X", "importtime")[1]["options"] == ["importtime"]


def machine(root: Path, cores: str, nodes: Sequence[str], max_khz: Sequence[int] = ()) -> Path:
    """Processors as Linux shows them: a letter for the core of each, and the lists of the nodes."""
    for number, core in enumerate(cores):
        folder = root / f"sys/devices/system/cpu/cpu{number}"
        (folder / "topology").mkdir(parents=True)
        mine = [n for n, c in enumerate(cores) if c == core]
        (folder / "topology/core_cpus_list").write_text(write_list(mine) + "\n")
        (folder / "topology/physical_package_id").write_text("0\n")
        if max_khz:
            (folder / "cpufreq").mkdir()
            (folder / "cpufreq/cpuinfo_max_freq").write_text(f"{max_khz[number]}\n")
    for number, cpus in enumerate(nodes):
        folder = root / f"sys/devices/system/node/node{number}"
        folder.mkdir(parents=True)
        (folder / "cpulist").write_text(f"{cpus}\n")
    return root


def test_an_equal_pair_of_processors_is_alike_and_an_unequal_one_is_not(tmp_path: Path) -> None:
    """Cores A to D have two processors each; those of D are of another kind."""
    root = machine(tmp_path, "ABCDABCD", ["0-1,4-5", "2-3,6-7"], [5000] * 3 + [3900] + [5000] * 4)
    two_cores = describe_processors([0, 1], root)
    assert describe_processors([0, 5], root) == describe_processors([4, 1], root) == two_cores
    assert describe_processors([2, 6], root) != two_cores  # both of one core
    assert describe_processors([0, 2], root) != two_cores  # of two nodes
    assert describe_processors([2, 3], root) != two_cores  # one is slower
    assert describe_processors([0, 4], root)["whole_cores"] == 1


@pytest.mark.parametrize(("allowed", "near"), [("0-1", True), ("1", False)])
def test_memory_of_other_nodes_than_the_processors_is_found(
    allowed: str, near: bool, tmp_path: Path
) -> None:
    root = machine(tmp_path, "AB", ["0-1", ""])
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/status").write_text(f"Name:\tx\nMems_allowed_list:\t{allowed}\n")
    assert describe_memory([0, 1], root)["near"] is near


def test_the_huge_pages_that_are_chosen_are_found(tmp_path: Path) -> None:
    folder = tmp_path / "sys/kernel/mm/transparent_hugepage"
    folder.mkdir(parents=True)
    (folder / "enabled").write_text("always [madvise] never\n")
    assert describe_memory([0], tmp_path)["huge_pages"] == "madvise"


def test_two_machines_of_one_model_are_distinguished_and_neither_is_named(tmp_path: Path) -> None:
    found = []
    for name in ("1234abcd" * 4, "5678abcd" * 4):
        root = tmp_path / name
        (root / "etc").mkdir(parents=True)
        (root / "etc/machine-id").write_text(name + "\n")
        board = root / "sys/class/dmi/id"
        board.mkdir(parents=True)
        (board / "sys_vendor").write_text("Maker\n")
        (board / "product_name").write_text("Model 1\n")
        found.append(describe_machine(root))
        assert name[:8] not in json.dumps(found)
    assert found[0]["identity"] != found[1]["identity"]
    assert {facts["model"] for facts in found} == {"Maker Model 1"}
    assert describe_machine(tmp_path) == {"model": None, "identity": None}


def test_lists_of_numbers_are_read_and_written_as_the_kernel_does() -> None:
    assert parse_list("0-2,5\n") == {0, 1, 2, 5}
    assert parse_list("") == set()
    assert write_list({5, 0, 1, 2}) == "0-2,5"
