"""The screen: what it averages, and that the sweep goes on when nobody can read it."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec import structs

from analysis import compare, load_records, summarise
from analysis.wording.answers import answer_rows
from sd_bench.cli.sweep_screen import Screen, summary_table
from sd_bench.execution.cell import Cell
from sd_bench.execution.finished_rounds import nothing_finished
from sd_bench.execution.plan import PlannedCell
from sd_bench.execution.shown_cells import show_cells
from sd_bench.execution.sweep_looks import plan_looks_of
from sd_bench.execution.timing import Timing
from sd_bench.paths import folder_argument
from sd_bench.records import Record, record_path, write_record
from sd_bench.screens.console import make_console
from sd_bench.screens.tables import print_unbroken
from sd_bench.verdicts.cells import pool_records
from sd_bench.verdicts.comparisons import Comparison, compare_cells
from tests.support.commands import REPOSITORY, SMOKE, Command, Inject, records
from tests.support.composition import Compose
from tests.support.plans import planned_cell
from tests.support.records import sample_environment, sample_latents, sample_record


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
    print_unbroken(summary_table([planned], [rounds]), make_console())
    first, second = (line for line in capsys.readouterr().out.splitlines() if "math" in line)
    assert "math (environment 1 of 2)" in first
    assert "2.000" in first
    assert "5.000" in second
    print_unbroken(summary_table([planned], [[rounds[0], rounds[2]]]), make_console())
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
        print_unbroken(summary_table([planned], [[record]]), make_console())
        assert shown in capsys.readouterr().out


def test_the_launcher_and_the_analysis_give_the_same_answers(
    compose_config: Compose, tmp_path: Path
) -> None:
    plan, records, comparisons = compared_cells(compose_config, tmp_path)
    looks = plan_looks_of(plan, nothing_finished(), 10)
    shown = show_cells(comparisons, looks, plan, records)
    deltas = compare(summarise(load_records(tmp_path)))
    sentences = {answer.sentence for answer in answer_rows(deltas)}
    assert {cell.answer.sentence for cell in shown} == sentences
    assert [cell.compared.name for cell in shown] == ["math (fp32 inside)", "flash", "xformers"]
    assert any(sentence.startswith("flash is 1.") for sentence in sentences)
    assert "xformers cannot run here: no kernel." in sentences


def test_a_look_counts_comparisons_not_cells(
    compose_config: Compose, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The baseline has nothing to decide, nor has a cell that cannot run."""
    plan, _, comparisons = compared_cells(compose_config, tmp_path)
    assert len(comparisons) == 3
    looks = plan_looks_of(plan, nothing_finished(), 1000)
    screen = Screen(make_console())
    screen.planned(plan, nothing_finished(), looks, Timing(plan=plan, max_rounds=1000))
    screen.looked(looks.first, comparisons, 0)
    assert (
        f"look after {looks.first} rounds: 1 of 1 comparison(s) decided" in capsys.readouterr().out
    )


Compared = tuple[list[PlannedCell], list[list[Record]], list[Comparison]]


def compared_cells(compose_config: Compose, tmp_path: Path) -> Compared:
    """Three cells with their records on disk: a baseline, a faster one, one that cannot run."""
    plan, records = [], []
    for index, name in enumerate(("math", "flash", "xformers")):
        attention = f"attention={name}"
        planned = planned_cell(compose_config, attention, "precision=bf16", "protocol.rounds=null")
        cell = dataclasses.replace(
            planned.cell, index=index, folder=tmp_path / str(index), sweep_folder=tmp_path
        )
        plan.append(dataclasses.replace(planned, cell=cell))
        records.append(list(rounds_of(cell)))
    return plan, records, compare_cells(pool_records(chain(*records)))


def rounds_of(cell: Cell) -> Iterator[Record]:
    """Eight rounds with latents on disk, or the single round of a cell that cannot run."""
    attention = cell.config.attention.backend
    known: dict[str, Any] = {
        "attention": attention,
        "precision": "bf16",
        "cell_hash": cell.hash,
        "sweep": "s",
    }
    cell.folder.mkdir()
    if attention == "xformers":
        records = [sample_record(status="unsupported", reason="no kernel", **known)]
    else:
        seconds = 2.0 if attention == "math" else 1.6
        records = [
            sample_record(seconds + n % 3 / 100, round_index=n, latents_file="l.npy", **known)
            for n in range(8)
        ]
        np.save(cell.folder / "l.npy", sample_latents())
    for record in records:
        moved = structs.replace(record, job=str(cell.index))
        write_record(record_path(cell.folder, record.round), moved)
        yield moved


def run_in_a_shell(tmp_path: Path, *arguments: str, end: str = "") -> subprocess.Popen[str]:
    words = [sys.executable, "-m", "sd_bench", folder_argument(tmp_path / "sweep"), *arguments]
    return subprocess.Popen(
        ["bash", "-o", "pipefail", "-c", f'"$@" {end}', "bash", *words], cwd=REPOSITORY, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip


@pytest.mark.slow
def test_a_reader_that_goes_away_ends_no_sweep(tmp_path: Path) -> None:
    shell = run_in_a_shell(tmp_path, *SMOKE, "attention=original", end="| head -n 1")
    _, errors = shell.communicate(timeout=200)
    assert [r.status for r in records(tmp_path)] == ["ok"]
    assert errors == ""


@pytest.mark.slow
def test_a_prompt_that_the_terminal_cannot_show_ends_no_sweep(
    command: Command, tmp_path: Path
) -> None:
    prompt = "prompt='\u732b'"
    done = command(*SMOKE, "attention=original", prompt, PYTHONIOENCODING="ascii")
    assert done.returncode == 0, done.stderr
    assert [r.status for r in records(tmp_path)] == ["ok"]


@pytest.mark.slow
def test_a_full_time_file_is_reported_and_ends_no_sweep(
    command: Command, inject: Inject, tmp_path: Path
) -> None:
    inject(
        "import os, pathlib\n"
        "times = pathlib.Path(os.environ['TIMES'])\n"
        "if times.is_file():\n"
        "    times.unlink()\n"
        "    times.mkdir()\n"
    )
    times = tmp_path / "times.txt"
    arguments = (*SMOKE, "attention=original", "protocol.rounds=2", f"time_file={times}")
    done = command(*arguments, TIMES=str(times))
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("the runtime was not added to it") == 1
    assert [r.status for r in records(tmp_path)] == ["ok", "ok"]


@pytest.mark.slow
def test_a_folder_with_the_screens_own_signs_is_named_as_it_is(tmp_path: Path) -> None:
    folder = tmp_path / "x[old]y[/red]"
    shell = run_in_a_shell(folder, *SMOKE, "attention=xformers")
    out, errors = shell.communicate(timeout=100)
    assert errors == ""
    assert "x[old]y[/red]/sweep" in "".join(out.split("\n"))
