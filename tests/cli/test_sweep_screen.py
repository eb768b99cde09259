"""The screen: what it averages, and what becomes of the sweep when nobody can read it."""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import chain
from pathlib import Path

import pytest

from sd_bench.cli.console import make_console
from sd_bench.cli.sweep_screen import summary_table, verdict_lines
from sd_bench.execution.cell import Cell
from sd_bench.execution.finished_rounds import nothing_finished
from sd_bench.execution.plan import PlannedCell
from sd_bench.execution.sweep_looks import plan_looks_of
from sd_bench.paths import folder_argument
from sd_bench.records import Record
from sd_bench.verdicts.cells import pool_records
from sd_bench.verdicts.comparisons import compare_cells
from tests.support.commands import REPOSITORY, SMOKE, Command, records
from tests.support.composition import Compose
from tests.support.plans import planned_cell
from tests.support.records import sample_environment, sample_record


def of_environment(fingerprint: str, runtime_s: float, round_index: int) -> Record:
    environment = {**sample_environment("cpu"), "fingerprint": fingerprint}
    return sample_record(runtime_s, round_index=round_index, environment=environment)


def test_rounds_of_two_environments_are_not_averaged(
    tiny: Compose, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cell = Cell(
        config=tiny(), index=0, label="math", folder=tmp_path / "0", sweep_folder=tmp_path
    )  # fmt: skip
    planned = PlannedCell(cell=cell, interpreter=None, reason=None)
    rounds = [of_environment("a", 1.0, 0), of_environment("b", 5.0, 1), of_environment("a", 3.0, 2)]
    make_console().print(summary_table([planned], [rounds]))
    first, second = (line for line in capsys.readouterr().out.splitlines() if "math" in line)
    assert "math (environment 1 of 2)" in first
    assert "2.000" in first
    assert "5.000" in second
    make_console().print(summary_table([planned], [[rounds[0], rounds[2]]]))
    assert "environment" not in capsys.readouterr().out


def test_math_says_what_it_computed_in(
    tiny: Compose, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = sample_record(1.0, attention="math", precision="bf16")
    config = tiny("attention=math", "precision=bf16")
    for label, shown in (
        ("batch_size=1 attention=math", "batch_size=1 attention=math (fp32 inside) "),
        ("preset=mine", "preset=mine, math (fp32 inside)"),
    ):
        cell = Cell(
            config=config, index=0, label=label, folder=tmp_path / "0", sweep_folder=tmp_path
        )  # fmt: skip
        planned = PlannedCell(cell=cell, interpreter=None, reason=None)
        make_console().print(summary_table([planned], [[record]]))
        assert shown in capsys.readouterr().out


def test_a_verdicts_line_says_it_too(compose_config: Compose) -> None:
    plan = [planned_cell(compose_config, f"attention={name}") for name in ("math", "flash")]
    records = [
        [
            sample_record(
                second, round_index=n, cell_hash=p.cell.hash, precision="bf16",
                attention=p.cell.config.attention.backend,
            )
            for n, second in enumerate((2.0, 2.1))
        ]
        for p in plan
    ]  # fmt: skip
    comparisons = compare_cells(pool_records(chain(*records)))
    looks = plan_looks_of(plan, nothing_finished(), 4)
    (line,) = verdict_lines(comparisons, looks, plan, records)
    assert line.startswith("attention=flash against attention=math (fp32 inside): ")


def run_in_a_shell(tmp_path: Path, *arguments: str, end: str = "") -> subprocess.Popen[str]:
    words = [sys.executable, "-m", "sd_bench", folder_argument(tmp_path / "sweep"), *arguments]
    return subprocess.Popen(
        ["bash", "-o", "pipefail", "-c", f'"$@" {end}', "bash", *words], cwd=REPOSITORY, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip


def test_a_reader_that_goes_away_ends_no_sweep(tmp_path: Path) -> None:
    shell = run_in_a_shell(tmp_path, *SMOKE, "attention=original", end="| head -n 1")
    _, errors = shell.communicate(timeout=200)
    assert [r.status for r in records(tmp_path)] == ["ok"]
    assert errors == ""


def test_a_prompt_that_the_terminal_cannot_show_ends_no_sweep(
    command: Command, tmp_path: Path
) -> None:
    prompt = "prompt='\u732b'"
    done = command(*SMOKE, "attention=original", prompt, PYTHONIOENCODING="ascii")
    assert done.returncode == 0, done.stderr
    assert [r.status for r in records(tmp_path)] == ["ok"]


def test_a_time_file_that_takes_no_more_is_said_and_ends_no_sweep(
    command: Command, tmp_path: Path
) -> None:
    full = tmp_path / "full"
    full.symlink_to("/dev/full")
    done = command(*SMOKE, "attention=original", "protocol.rounds=2", f"time_file={full}")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("No space left on device; left out there") == 1
    assert [r.status for r in records(tmp_path)] == ["ok", "ok"]


def test_a_folder_with_the_screens_own_signs_is_named_as_it_is(tmp_path: Path) -> None:
    folder = tmp_path / "x[old]y[/red]"
    shell = run_in_a_shell(folder, *SMOKE, "attention=xformers")
    out, errors = shell.communicate(timeout=100)
    assert errors == ""
    assert "x[old]y[/red]/sweep" in "".join(out.split("\n"))
