"""The command: what it prints and writes, its exit codes, and its one-line errors."""

from __future__ import annotations

import math
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from msgspec import structs

import analysis
from analysis import compare, load_records, summarise
from analysis.__main__ import main
from analysis.charts.select.all_groups import select_charts
from sd_bench.command_lines import shown
from tests.support.records import (
    sample_environment,
    sample_record,
    write_main_sweep,
    write_sample,
    write_sweep,
)

ROOT = Path(analysis.__file__).parents[1]

KINDS_OF_TABLE = ("md", "csv", "tex", "html")


def one_line_error(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> str:
    assert main([str(argument) for argument in arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("analysis: ")
    assert captured.err.count("\n") == 1
    return captured.err


def python(*arguments: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-W", "error", *arguments],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        check=False,
    )


@pytest.fixture
def no_charts(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests that do not need charts: drawing them takes most of the time."""
    monkeypatch.setattr("analysis.cli.commands.select_charts", lambda rounds, deltas: {})


@pytest.mark.slow
def test_a_sweep_becomes_tables_and_charts_beside_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setattr("analysis.cli.progress._MOMENT_S", math.inf)  # even on a slow machine
    write_main_sweep(tmp_path)
    assert main([str(tmp_path)]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    assert captured.out.startswith("No verdict on flash against math at batch size 1: between ")
    row = "| flash |     4 | too few rounds | 1.24 (1.10 to 1.39) |        8.39 |    0.477 |"
    assert row in captured.out
    assert "Baseline: attention=math." not in captured.out
    assert f"{tmp_path / 'analysis' / 'report.html'}\n" in captured.out
    commands = ("python -m", str(tmp_path))
    lines = [line for line in captured.out.splitlines() if not any(c in line for c in commands)]
    assert max(map(len, lines)) <= 100
    files = {path.name for path in (tmp_path / "analysis").iterdir()}
    assert f"Report, with {len(files) - 1} more files beside it:" in captured.out
    assert files == {
        "report.html",
        "report.md",
        *(f"{stem}.{suffix}" for stem in ("summary", "delta") for suffix in KINDS_OF_TABLE),
        *(f"resources.{suffix}" for suffix in KINDS_OF_TABLE),
        *(f"{stem}_full.csv" for stem in ("summary", "delta")),
        *(
            f"{stem}_n_iter_1_sd2.{suffix}"
            for stem in (
                "speedup_EPYC",
                "runtime_by_batch_size_EPYC",
                *(f"{kind}_EPYC" for kind in ("images_per_second", "stages", "step_time")),
                "peak_memory_EPYC",
                *(f"runs_EPYC_n_samples_{batch_size}" for batch_size in (1, 2, 4)),
            )
            for suffix in ("png", "svg")
        ),
    }


@pytest.mark.usefixtures("no_charts")
def test_multirun_outputs_is_the_usual_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_main_sweep(tmp_path / "multirun_outputs")
    monkeypatch.chdir(tmp_path)
    assert main(["multirun_outputs"]) == 0
    assert (tmp_path / "multirun_outputs" / "analysis" / "summary.csv").is_file()


@pytest.fixture
def two_sweeps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Two sweeps in multirun_outputs, the newer one first; the second is one day older."""
    outputs = Path("multirun_outputs")
    for day, seconds in ((23, 2.0), (24, 3.0)):
        write_sweep(
            tmp_path / outputs, {(1, "math"): [seconds]}, sweep=f"2026-11-{day}/10-00-00",
            started_at=f"2026-11-{day}T10:00:00+00:00",
        )  # fmt: skip
    monkeypatch.chdir(tmp_path)
    return [outputs / f"2026-11-{day}" / "10-00-00" for day in (24, 23)]


@pytest.mark.usefixtures("no_charts")
def test_without_a_folder_the_newest_sweep_is_used_and_the_others_are_mentioned(
    two_sweeps: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    newest, older = two_sweeps
    assert main([]) == 0
    (row,) = pd.read_csv(newest / "analysis" / "summary.csv").to_dict("records")
    assert row["mean_s"] == 3.0
    assert not (older / "analysis").exists()
    output = " ".join(capsys.readouterr().out.split())
    assert f"{newest} is the newest of 2 sweeps in multirun_outputs." in output
    assert f"{shown('analysis', 'compare')} {older} {newest}" in output


@pytest.mark.usefixtures("no_charts")
def test_results_kept_with_the_project_are_not_the_users_sweeps(
    two_sweeps: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    newest, older = two_sweeps
    write_sweep(
        tmp_path / "multirun_outputs", {(1, "math"): [4.0]}, sweep="results_h100/main",
        started_at="2026-11-26T10:00:00+00:00",
    )  # fmt: skip
    assert main([]) == 0
    output = " ".join(capsys.readouterr().out.split())
    assert f"{newest} is the newest of 2 sweeps in multirun_outputs." in output
    for own in (newest, older):
        shutil.rmtree(own)
    assert main([]) == 0
    kept = tmp_path / "multirun_outputs" / "results_h100" / "main"
    assert (kept / "analysis" / "summary.csv").is_file()


@pytest.mark.usefixtures("no_charts")
def test_sweeps_that_differ_in_torch_env_only_are_taken_together(
    two_sweeps: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = sample_environment(fingerprint="old", torch="1.12.1")
    write_sweep(
        tmp_path / "multirun_outputs", {(1, "math"): [4.0]}, sweep="2026-11-25/10-00-00",
        started_at="2026-11-25T10:00:00+00:00", torch_env="original", environment=old,
    )  # fmt: skip
    assert main([]) == 0
    both = Path("multirun_outputs/2026-11-25/10-00-00"), two_sweeps[0]
    output = " ".join(capsys.readouterr().out.split())
    assert f"2 sweeps together, which differ in PyTorch only: {both[0]}, {both[1]}" in output
    assert "They are the newest of 3 sweeps" in output
    cells = pd.read_csv(both[0] / "analysis" / "summary.csv")
    assert sorted(cells["mean_s"]) == [3.0, 4.0]


@pytest.mark.usefixtures("no_charts")
def test_verbose_prints_every_table_and_note(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_main_sweep(tmp_path)
    assert main([str(tmp_path), "--verbose"]) == 0
    output = capsys.readouterr().out
    assert output.startswith("No verdict on flash")
    assert "| flash, batch size 4 | too few rounds |    1.24x |  1.10 to 1.39 |" in output
    assert "Baseline: attention=math." in output


@pytest.mark.usefixtures("no_charts")
def test_another_picture_forbids_the_speed_up_on_the_screen(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seconds = {(1, "math"): [2.0] * 8, (1, "flash"): [1.0] * 8}
    write_sweep(tmp_path, seconds, changes={(1, "flash"): 0.4})
    assert main([str(tmp_path)]) == 0
    output = capsys.readouterr().out
    assert output.startswith("No claim on flash against math at batch size 1: they draw different")
    assert "2.00" not in output.replace("|    2.00 |", "").replace("|        2.00 |", "")


@pytest.mark.usefixtures("no_charts")
def test_running_twice_gives_the_same_tables(tmp_path: Path) -> None:
    write_main_sweep(tmp_path)
    main([str(tmp_path)])
    first = (tmp_path / "analysis" / "summary.csv").read_bytes()
    main([str(tmp_path)])
    assert (tmp_path / "analysis" / "summary.csv").read_bytes() == first


@pytest.mark.usefixtures("no_charts")
def test_out_and_baseline_are_obeyed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_main_sweep(tmp_path / "sweep")
    out = tmp_path / "a" / "b"
    assert main([str(tmp_path), "--out", str(out), "--baseline", "attention=flash"]) == 0
    assert "math against flash" in capsys.readouterr().out
    assert set(pd.read_csv(out / "delta.csv")["baseline"]) == {"attention=flash"}
    assert not (tmp_path / "analysis").exists()


def test_charts_that_are_not_drawn_are_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rounds = load_records(write_main_sweep(tmp_path))
    count = len(select_charts(rounds, compare(summarise(rounds))))
    assert count > 1
    assert main([str(tmp_path), "--most-charts", "1"]) == 0
    further = f"{count - 1} further charts not drawn: --most-charts {count} draws all"
    assert further in capsys.readouterr().out
    assert len(list((tmp_path / "analysis").glob("*.svg"))) == 1
    report = (tmp_path / "analysis" / "report.html").read_text(encoding="utf-8")
    assert f"{count - 1} further charts were not drawn" in report


@pytest.mark.usefixtures("no_charts")
def test_several_folders_merge(tmp_path: Path) -> None:
    for sweep, runtimes in (("s1", [2.0, 3.0]), ("s2", [4.0])):
        write_sweep(tmp_path / sweep, {(1, "flash"): runtimes}, sweep=sweep)
    arguments = [str(tmp_path / "s1"), str(tmp_path / "s2"), "--out", str(tmp_path / "out")]
    assert main(arguments) == 0
    (row,) = pd.read_csv(tmp_path / "out" / "summary.csv").to_dict("records")
    assert (row["rounds"], row["mean_s"]) == (3, 3.0)


@pytest.mark.usefixtures("no_charts")
def test_bad_records_are_named_counted_and_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_main_sweep(tmp_path)
    (tmp_path / "round-8.json").write_text("{")
    (tmp_path / "round-9.json").write_text('{"schema_version": 3}')
    assert main([str(tmp_path)]) == 0
    lines = capsys.readouterr().err.splitlines()
    assert str(tmp_path / "round-8.json") in lines[0]
    assert str(tmp_path / "round-9.json") in lines[1]
    assert lines[2] == "analysis: warning: 2 records left out"
    assert len(pd.read_csv(tmp_path / "analysis" / "summary.csv")) == 6


@pytest.mark.usefixtures("no_charts")
def test_of_many_bad_records_the_first_are_named_on_the_screen_and_all_in_the_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_main_sweep(tmp_path)
    for number in range(100, 130):
        (tmp_path / f"round-{number}.json").write_text("{")
    assert main([str(tmp_path)]) == 0
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 22
    assert lines[-2:] == [
        "analysis: left out: 10 more",
        "analysis: warning: 30 records left out",
    ]
    report = (tmp_path / "analysis" / "report.html").read_text(encoding="utf-8")
    assert report.count("Record left out: ") == 30


def test_nothing_usable_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "round-0.json").write_text("{")
    assert main([str(tmp_path)]) == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith("analysis: no usable record in")
    assert not (tmp_path / "analysis").exists()


def test_errors_are_one_line_that_says_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_main_sweep(tmp_path / "full")
    (tmp_path / "empty").mkdir()
    full = tmp_path / "full"
    assert "name a sweep's folder" in one_line_error(capsys, tmp_path / "nowhere")
    assert "no record" in one_line_error(capsys, tmp_path / "empty")
    assert "there are: attention=math" in one_line_error(capsys, full, "--baseline", "original")
    assert "or use one of attention" in one_line_error(capsys, full, "--baseline", "batch_size=1")
    assert "--help" in one_line_error(capsys, full, "--colour")
    assert "--out DIR" in one_line_error(capsys, full, tmp_path / "empty")
    assert "no folder Compare" in one_line_error(capsys, "Compare", full, full)
    assert "a name is empty" in one_line_error(capsys, "")
    assert "a name is empty" in one_line_error(capsys, full, "--out", "")
    os.mkfifo(tmp_path / "pipe")
    for neither in (tmp_path / "pipe", Path(os.devnull)):
        assert "neither a folder nor a bundle" in one_line_error(capsys, neither)
    assert "leave them out" in one_line_error(capsys, full, "--published")


def test_an_unwritable_out_is_a_one_line_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_sample(tmp_path / "sweep", sample_record(1.0))
    (tmp_path / "file").write_text("")
    for out in (tmp_path / "file", tmp_path / "file" / "below"):
        assert main([str(tmp_path / "sweep"), "--out", str(out)]) == 2
        error = capsys.readouterr().err
        assert error.startswith(f"analysis: cannot write to {out} (")
        assert "name another with --out DIR" in error
        assert error.count("\n") == 1


def test_a_full_disk_is_a_one_line_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    write_sample(tmp_path, sample_record(1.0))
    monkeypatch.setattr("matplotlib.figure.Figure.savefig", full)
    assert main([str(tmp_path)]) == 2
    assert "(No space left on device)" in capsys.readouterr().err


def test_only_failed_cells_are_a_table_with_reasons(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_sample(tmp_path, sample_record(status="unsupported", reason="needs capability 8.0"))
    assert main([str(tmp_path)]) == 0
    output = capsys.readouterr().out
    assert output.startswith("flash cannot run here: needs capability 8.0.\n")
    assert "| unsupported |" in output


def test_the_published_study_goes_to_its_own_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[Path] = []

    def write(folder: Path) -> list[Path]:
        written.append(folder)
        return [folder]

    monkeypatch.setattr("analysis.cli.commands.write_published", write)
    monkeypatch.chdir(tmp_path)
    assert main(["--published"]) == 0
    assert main(["--published", "--out", "elsewhere"]) == 0
    assert "55.7 % (A10, batch size 4" in capsys.readouterr().out
    assert written == [Path("multirun_outputs/published_study"), Path("elsewhere")]
    assert (tmp_path / "multirun_outputs" / "published_study").is_dir()


@pytest.mark.slow
def test_help_is_quick_to_come_and_neither_torch_nor_hydra_is_imported() -> None:
    program = """
import sys
from analysis.__main__ import main
try:
    main(["--help"])
except SystemExit as end:
    assert end.code == 0
print([m for m in ("torch", "hydra", "omegaconf", "matplotlib", "jinja2") if m in sys.modules])
"""
    result = python("-c", program)
    assert result.stdout.decode().splitlines()[-1] == "[]", result.stderr
    assert b"--baseline" in result.stdout


@pytest.mark.slow
def test_the_whole_analysis_needs_neither_torch_nor_hydra(tmp_path: Path) -> None:
    write_sweep(tmp_path, {(1, "math"): [2.0, 3.0], (1, "flash"): [1.0, 2.0]})
    program = f"""
import sys
for name in ("torch", "hydra", "omegaconf"):
    sys.modules[name] = None
from analysis.__main__ import main
import analysis.published.pages
sys.exit(main([{str(tmp_path)!r}]))
"""
    result = python("-c", program)
    assert result.returncode == 0, result.stderr


@pytest.mark.slow
def test_a_narrow_encoding_is_not_an_error(tmp_path: Path) -> None:
    write_sample(tmp_path, sample_record(1.0, proven=False, gpu="gerät"))
    result = python("-m", "analysis", str(tmp_path), PYTHONIOENCODING="ascii")
    assert (result.returncode, result.stderr) == (0, b"")
    assert b"missed" in result.stdout


ODD: tuple[Any, ...] = (
    *(
        "",
        "x" * 300,
        "a|b",
        "[red]x[/red]",
        "_a",
        "$x$",
        "<b>",
        "\u202e",
        "\n",
        "ü 🚀 漢",
        "-",
        "=",
    ),
    *(0, -1, 10**25, 0.5, True, None, [], {}, [1, [2]], {"a": {"b": None}}),
)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_odd_values_in_records_do_no_harm(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    choices = sample_record(1.0).choices
    for number in range(5):
        odd: dict[str, Any] = {
            axis: chance.choice(ODD) for axis in choices if chance.random() < 0.25
        }
        text = chance.choice([value for value in ODD if isinstance(value, str)])
        environment = sample_environment() | {
            key: chance.choice(ODD)
            for key in ("fingerprint", "torch", "device", "project")
            if chance.random() < 0.3
        }
        ok = chance.random() < 0.7
        record = sample_record(
            *([chance.choice([0.0, 1e-8, 1.0, 1e8, 1e200])] if ok else []),
            status="ok" if ok else "crashed",
            reason=None if ok else text,
            round_index=chance.choice([0, 1, -5, 10**20]),
            environment=environment,
            scaled=[text],
            started_at=f"{text}{number}",
            proven=chance.choice([True, False, None]),
            latents_file=chance.choice([None, "", "latents.npy", "/", "\x00", "x" * 300]),
            sweep=f"sweep-{number % 3}",
            cell_hash=text,
            **odd,
        )
        write_sample(tmp_path / str(number), structs.replace(record, job="job"))  # a safe place
    assert main([str(tmp_path)]) == 0


@pytest.mark.slow
def test_a_baseline_with_an_old_name_works_and_one_line_gives_the_new_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_sweep(tmp_path, {("original_xformers",): [2.0], ("optimized",): [1.0]}, axes=("preset",))
    for name in ("original", "configuration=original", "preset=original"):
        assert main([str(tmp_path), "--baseline", name, "--most-charts", "0"]) == 0
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith(f"analysis: --baseline {name} is now ")
        assert line.partition(";")[0].endswith("original_xformers")
    assert main([str(tmp_path), "--baseline", "original_xformers", "--most-charts", "0"]) == 0
    assert capsys.readouterr().err == ""
