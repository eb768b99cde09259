"""``preset=tuned``: the newest answer for the cell's workload, on this machine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from sd_bench.config.schema import Config
from sd_bench.errors import ConfigError
from sd_bench.execution.cell import preset_name
from sd_bench.tuning.answers import (
    ROOT,
    Tuned,
    find_answers,
    read_answer,
    workload_of,
    write_answer,
)
from sd_bench.tuning.machine import describe_device, free_bytes
from sd_bench.tuning.preset import with_tuned
from tests.support.commands import Command
from tests.support.composition import Compose
from tests.support.tuning import WORKLOAD

FOUND = ["attention=math", "optimizations.channels_last=true"]


def keep_answer(folder: Path, config: Config, overrides: Sequence[str], date: str) -> Tuned:
    answer = Tuned(
        date=date,
        workload=workload_of(config),
        machine={**describe_device(config), "versions": {"torch": "2.15.0"}},
        typed=[],
        overrides=list(overrides),
        for_diffusers=[],
        compared=[],
    )
    folder.mkdir(parents=True)
    write_answer(folder, answer)
    return answer


@pytest.mark.slow
def test_the_newest_answer_for_the_workload_is_added_and_what_is_typed_wins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compose_config: Compose
) -> None:
    monkeypatch.chdir(tmp_path)
    config = compose_config(*WORKLOAD)
    keep_answer(ROOT / "a", config, ["attention=flash"], "2026-01-01")
    newest = keep_answer(ROOT / "b", config, FOUND, "2026-01-02")
    other = replace(config, workload=replace(config.workload, batch_size=2))
    keep_answer(ROOT / "c", other, ["compile=default"], "2026-01-03")
    (ROOT / "d").mkdir()
    (ROOT / "d" / "answer.json").write_text("{")
    assert next(answer for _, answer in find_answers() if answer.workload == newest.workload)

    def compose(overrides: Sequence[str]) -> Config:
        return compose_config(*overrides)

    typed = [*WORKLOAD, "preset=tuned"]
    tuned = compose(with_tuned(typed, compose))
    assert (tuned.attention.backend, tuned.optimizations.names) == ("math", ("channels_last",))
    assert preset_name(tuned) == "tuned"
    departs = compose(with_tuned([*typed, "attention=flash"], compose))
    assert departs.attention.backend == "flash"
    assert preset_name(departs) == "tuned with attention=flash"
    assert with_tuned(WORKLOAD, compose) == list(WORKLOAD)
    with pytest.raises(ConfigError, match=r"no answer for .* batch size 3 .* tune .*batch_size=3"):
        with_tuned([*typed, "workload.batch_size=3"], compose)


@pytest.mark.slow
def test_the_command_says_what_to_do_where_there_is_no_answer(command: Command) -> None:
    done = command(*WORKLOAD, "model_version=sd1_tiny", "preset=tuned", "dry_run=true")
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "preset=tuned: no answer for sd1_tiny at 64x64 pixels, batch size 1" in line
    assert "sd_bench tune model_version=sd1_tiny" in line


def test_an_answer_from_elsewhere_names_switches_and_nothing_else(
    tmp_path: Path, compose_config: Compose
) -> None:
    config = compose_config(*WORKLOAD)
    for number, foreign in enumerate(
        ("torch_env.python=/bin/sh", "time_file=x", "attention=${oc.env:HOME}", "hydra.run.dir=x",
         "allocator.library=x", "attention=/a/b")
    ):  # fmt: skip
        folder = tmp_path / str(number)
        keep_answer(folder, config, [foreign], "2026-01-01")
        with pytest.raises(ConfigError, match="is not an answer of this version's tune"):
            read_answer(folder / "answer.json")
    assert list(find_answers(tmp_path)) == []


def test_free_memory_is_the_least_of_what_system_and_groups_leave(tmp_path: Path) -> None:
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal: 100 kB\nMemAvailable:    50 kB\n")
    assert free_bytes(meminfo, tmp_path) == 50 * 1024
    group = tmp_path / "cgroup"
    group.mkdir()
    (tmp_path / "proc/self").mkdir(parents=True)
    mount = "30 23 0:26 / /cgroup rw - cgroup2 cgroup rw\n"
    (tmp_path / "proc/self/mountinfo").write_text(mount)
    (tmp_path / "proc/self/cgroup").write_text("0::/\n")
    (group / "cpu.stat").touch()
    for name, value in {"max": "40000", "current": "30000", "stat": "inactive_file 5000"}.items():
        (group / f"memory.{name}").write_text(value)
    assert free_bytes(meminfo, tmp_path) == 15_000
    (group / "memory.max").write_text("max")
    assert free_bytes(meminfo, tmp_path) == 50 * 1024
    assert free_bytes(tmp_path / "missing", tmp_path) is None
