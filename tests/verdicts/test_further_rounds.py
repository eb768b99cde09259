"""What would decide undecided comparisons: the printed command, and its cost."""

from __future__ import annotations

import math
import shlex
from pathlib import Path

import numpy as np
import pytest
from msgspec import structs

from analysis.__main__ import main
from sd_bench.cli.resume_arguments import resumed_arguments
from sd_bench.command_lines import shown
from sd_bench.paths import folder_argument
from sd_bench.records import Record, read_record
from sd_bench.records.sweep_file import start_sweep
from sd_bench.statistics.sequential import plan_looks
from sd_bench.verdicts.cells import pool_records, pool_rounds
from sd_bench.verdicts.comparisons import Comparison, compare_cells
from sd_bench.verdicts.further_rounds import find_further_rounds, say_what_decides
from sd_bench.verdicts.planned_looks import PlannedLooks, write_looks
from sd_bench.verdicts.rounds import read_round
from tests.support.records import sample_record, sample_times, write_sample

PLANNED = PlannedLooks(plan_looks(20), 2, "attention=math", 0.01)


def records(
    rounds: int = 6, near: float = 9.85, planned: bool = True, worker_s: float | None = 30.0
) -> list[Record]:
    """A baseline, a cell that is clearly faster, and one that is hardly faster."""
    found = []
    chance = np.random.default_rng(8)
    for attention, mean_s in (("math", 10.0), ("flash", 5.0), ("cudnn", near)):
        for at in range(rounds):
            seconds = float(mean_s * np.exp(0.006 * chance.standard_normal()))
            times = structs.replace(sample_times(seconds), worker_s=worker_s)
            looks = write_looks(PLANNED, 0) if planned else None
            extra = {"times": times, "looks": looks}
            found.append(sample_record(attention=attention, round_index=at, extra=extra))
    return found


def compared(listed: list[Record]) -> list[Comparison]:
    return compare_cells(pool_records(listed))


def test_further_rounds_are_of_the_undecided_cells_and_their_baseline() -> None:
    (further,) = find_further_rounds(compared(records()), Path("multirun_outputs/a"))
    assert 6 + further.rounds in PLANNED.plan.all_looks
    assert further.num_comparisons == 1
    assert [cell["attention"] for cell in further.cells] == ["math", "cudnn"]
    assert further.seconds == further.rounds * 2 * 30.0
    assert f"{further.sentence} {further.command_elsewhere}" == (
        f"{further.rounds} more rounds of 2 cells, about {further.rounds} min, would probably "
        "decide 1 comparison: python -m sd_bench resume=true "
        f"more_rounds={further.rounds} hydra.sweep.dir=multirun_outputs/a"
    )


def test_without_times_in_the_records_no_duration_is_given() -> None:
    (further,) = find_further_rounds(compared(records(worker_s=None)))
    assert math.isnan(further.seconds)
    assert " of 2 cells would probably decide" in further.sentence


@pytest.mark.parametrize("name", ["plain", "a folder", "it's here", "$HOME (1)"])
def test_the_folder_survives_the_shell_and_is_the_same_from_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    paths = [write_sample(tmp_path / name, each) for each in records()]
    cells = pool_rounds(read_round(read_record(path), path) for path in paths)
    sweep = f"{name}/2026-11-23/10-00-00"
    escaped = sweep.replace("'", "\\'")
    quote = "" if name == "plain" else "'"
    for here, begin in ((tmp_path, ""), (Path("/"), f"{tmp_path}/".lstrip("/"))):
        monkeypatch.chdir(here)
        (further,) = find_further_rounds(compare_cells(cells))
        *_, folder = shlex.split(further.command)
        assert folder == f"hydra.sweep.dir={quote}{tmp_path}/{escaped}{quote}"
        *_, folder = shlex.split(further.command_elsewhere)  # short, in a document
        assert folder == f"hydra.sweep.dir={quote}{begin}{escaped}{quote}"


@pytest.mark.parametrize("typed", ["time_file=/x/t.txt", "--config-dir=/my", "hydra/launcher=mine"])
def test_what_only_a_person_may_type_is_in_the_line_for_further_rounds(
    tmp_path: Path, typed: str
) -> None:
    begun_with = ["-m", "attention=math,flash", typed]
    start_sweep(tmp_path, begun_with)
    (further,) = find_further_rounds(compared(records()), tmp_path)
    words = shlex.split(further.command.removeprefix(shown("sd_bench")))
    assert words[:2] == ["resume=true", f"more_rounds={further.rounds}"]
    assert words[2:] == [folder_argument(tmp_path), typed]
    assert set(resumed_arguments(words)) == {*begun_with, *words}


def test_beyond_the_plan_a_new_sweep_is_named() -> None:
    (line,) = say_what_decides(compared(records(near=9.95, planned=False)))
    assert line == (
        "A new sweep with protocol.rounds=12, about 18 min, would probably decide 1 comparison."
    )
    (few,) = say_what_decides(compared(records(3, planned=False)))
    assert few.endswith(" would probably decide 2 comparisons.")


def test_if_all_is_decided_nothing_is_printed() -> None:
    assert (
        say_what_decides(compared([r for r in records() if r.choices["attention"] != "cudnn"]))
        == []
    )


def test_the_analysis_prints_the_line_once_and_writes_it_below_the_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for each in records():
        write_sample(tmp_path, each)
    assert main([str(tmp_path), "--most-charts", "0"]) == 0
    begin = " would probably decide 1 comparison: "
    here = f"{begin}{shown('sd_bench', 'resume=true')} more_rounds="
    assert " ".join(capsys.readouterr().out.split()).count(here) == 1
    line = f"{begin}python -m sd_bench resume=true more_rounds="
    for name in ("delta.md", "report.md", "report.html"):
        text = (tmp_path / "analysis" / name).read_text().replace("\\", "")
        assert text.count(line) == 1, name
