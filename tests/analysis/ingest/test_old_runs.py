"""Runs of the published scripts: choices come from names, and the rest stays unknown."""

from __future__ import annotations

import math
import os
from pathlib import Path

import pytest

import analysis
from analysis import AnalysisError, compare, load_records, summarise
from analysis.__main__ import main
from analysis.charts.select.measures import select_measure_charts
from analysis.charts.select.runtimes import select_runtime_charts
from analysis.wording.notes import note_value

PUBLISHED = Path(analysis.__file__).parent / "published"

ORIGINAL = "7.20\n7.10\n7.15\n7.12\n7.18\n7.11\n"
OPTIMIZED = "6.20\n6.10\n6.15\n6.12\n6.18\n6.11\n"


def write_times(root: Path) -> Path:
    for name, text in (("original", ORIGINAL), ("optimized_compile", OPTIMIZED)):
        (root / f"{name}_A10_n_samples_2_n_iter_2_sd2.txt").write_text(text)
    return root


def test_time_files_are_compared_by_welchs_test(tmp_path: Path) -> None:
    rows = compare(summarise(load_records(write_times(tmp_path)))).to_dict("records")
    assert [(row["preset"], row["gpu"], row["rounds"]) for row in rows] == [
        ("original_xformers", "a10", 6),
        ("optimized_compile", "a10", 6),
    ]
    compiled = rows[1]
    assert compiled["mean_s"] == pytest.approx(36.86 / 6)
    assert (compiled["method"], compiled["verdict"]) == ("unpaired", "faster")
    assert compiled["images_per_s"] == pytest.approx(4 / (36.86 / 6))
    assert (compiled["batch_size"], compiled["n_iter"]) == (2, 2)


def test_what_no_name_states_is_unknown_and_a_proof_is_missing(tmp_path: Path) -> None:
    (row, *_) = compare(summarise(load_records(write_times(tmp_path)))).to_dict("records")
    assert row["attention"] is None
    assert row["torch"] == "unknown"
    assert row["flags"] == "†"
    assert math.isnan(row["unet_calls_per_s"])


def test_the_folder_can_say_what_the_files_are(tmp_path: Path) -> None:
    folder = tmp_path / "A100_n_samples_4_n_iter_2_sd2"
    folder.mkdir()
    (folder / "original_no_xformers").write_text("22.8\n22.7")
    (row,) = summarise(load_records(tmp_path)).to_dict("records")
    assert (row["preset"], row["gpu"], row["batch_size"], row["rounds"]) == (
        "original_no_xformers",
        "a100",
        4,
        2,
    )


def test_the_published_csvs_give_their_own_numbers() -> None:
    left_out: list[str] = []
    rounds = load_records(PUBLISHED, on_left_out=left_out.append)
    cells = summarise(rounds)
    runs = cells[cells["rounds"] == 10]
    assert runs["mean_s"].round(2).tolist()[:2] == [22.77, 12.73]
    assert runs["preset"].nunique() == len(runs) == 5
    assert len(left_out) == 1
    assert "sd2_headline_improvement.csv: not a CSV of runtimes" in left_out[0]
    p100 = cells[(cells["gpu"] == "p100") & (cells["batch_size"] == 1)]
    assert p100["mean_s"].tolist() == [30.4, 25.5, 27.3, 26.5]


@pytest.mark.slow
def test_the_command_makes_the_published_plot(tmp_path: Path) -> None:
    assert main([str(write_times(tmp_path))]) == 0
    names = {path.name for path in (tmp_path / "analysis").iterdir()}
    assert "original_vs_optimized_A10_n_samples_2_n_iter_2_sd2.png" in names
    assert main([str(tmp_path), "--out", str(tmp_path / "analysis")]) == 0


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("notes.txt", "7.1\n", "its name is not of the form"),
        ("original_A10_n_samples_2_n_iter_2_sd2.txt", "7.1\nfast\n", "'fast' is not a runtime"),
        ("original_A10_n_samples_2_n_iter_2_sd2.txt", "-1\n", "'-1' is not a runtime"),
        ("original_A10_n_samples_2_n_iter_2_sd2.txt", "", "contains no runtime"),
        ("delta.csv", "a,b\n1,2\n", "not a CSV of runtimes"),
    ],
)
def test_a_file_that_is_not_understood_is_named(
    tmp_path: Path, name: str, text: str, expected: str
) -> None:
    (tmp_path / name).write_text(text)
    left_out: list[str] = []
    with pytest.raises(AnalysisError, match="no usable record"):
        load_records(tmp_path, on_left_out=left_out.append)
    assert expected in left_out[0]
    assert name in left_out[0]


HEADER = "preset,gpu,batch_size,model_version,n_iter,runtime_s"


@pytest.mark.parametrize(
    "text",
    [
        "\ufeff" + HEADER.replace(",", ";") + "\noptimized;A10;4.0;sd2;2;7,25\n;;;;;\n",
        HEADER.replace(",", "\t") + "\noptimized\tA10\t4\tsd2\t2,0\t7,25\n",
        HEADER + '\noptimized, A10 ,4.0,sd2,2.0,"7,25"\n,,,,,\n',
        HEADER + "\r\noptimized,A10,4,sd2,2,7.25\r\n\r\n",
    ],
    ids=["decimal commas and semicolons", "tabs", "a quoted comma", "lines of Windows"],
)
def test_a_csv_that_a_spreadsheet_has_saved_is_read(tmp_path: Path, text: str) -> None:
    (tmp_path / "runs.csv").write_text(text, newline="")
    left_out: list[str] = []
    (row,) = load_records(tmp_path, on_left_out=left_out.append).to_dict("records")
    assert (row["runtime_s"], row["batch_size"], row["n_iter"]) == (7.25, 4, 2)
    assert left_out == []


def test_a_row_of_a_csv_that_is_not_understood_is_named_and_the_others_are_read(
    tmp_path: Path,
) -> None:
    good = "optimized,A10,4,sd2,2,7.25"
    bad = ["optimized,A10,4.5,sd2,2,7.25", "optimized,A10,4,sd2,2,n/a", "optimized,A10,4"]
    (tmp_path / "runs.csv").write_text("\n".join([HEADER, good, *bad, good]))
    left_out: list[str] = []
    assert len(load_records(tmp_path, on_left_out=left_out.append)) == 2
    reasons = (
        "batch_size is '4.5', not a whole number",
        "'n/a' is not a runtime",
        "None is not a runt",
    )
    for number, (line, reason) in enumerate(zip(left_out, reasons, strict=True), start=3):
        assert f"runs.csv: row {number}: {reason}" in line


@pytest.mark.timeout(20)
def test_a_pipe_beside_the_files_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(write_times(tmp_path) / "pipe.txt")
    assert len(load_records(tmp_path)) == 12


def test_iterations_that_were_not_kept_cannot_be_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(write_times(tmp_path)), "--value", "median-iteration"]) == 2
    assert capsys.readouterr().err == (
        "analysis: some rounds have no median-iteration: leave out --value\n"
    )


def test_unknown_facts_are_not_stated() -> None:
    cells = summarise(load_records(PUBLISHED, on_left_out=lambda reason: None))
    sd1 = compare(cells[cells["model_version"] == "sd1"].reset_index(drop=True))
    charts = select_runtime_charts(sd1)
    assert "runtime_by_gpu_n_samples_2_sd1" in charts
    chart = charts["runtime_by_batch_size_T4_sd1"]
    assert chart.title == "Runtime on T4: sd1"
    assert note_value(sd1) == "Runtime of a round: as given in its file."
    assert "None" not in " ".join(
        [*charts, *(c.title for c in select_measure_charts(sd1).values())]
    )


def test_a_time_files_warm_up_is_not_known(tmp_path: Path) -> None:
    cells = compare(summarise(load_records(write_times(tmp_path))))
    assert note_value(cells) == "Runtime of a round: the sum of 2 timed iterations."


@pytest.mark.slow
def test_a_second_run_does_not_read_what_the_first_one_wrote(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):
        arguments = [str(write_times(tmp_path)), "--out", str(tmp_path / "mine")]
        assert main([*arguments, "--most-charts", "0"]) == 0
        assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("name", "preset", "gpu"),
    [
        ("optimized_RTX_3090_n_samples_4_n_iter_2_sd2.txt", "optimized", "rtx_3090"),
        ("original_no_xformers_A10_n_samples_4_n_iter_2_sd2", "original_no_xformers", "a10"),
        ("original_pt2_RTX_3090_n_samples_4_n_iter_2_sd2.txt", "original_xformers_pt2", "rtx_3090"),
        ("original_A10_n_samples_2_n_iter_1_sd1.txt", "original_no_xformers", "a10"),
        ("original_A10_n_samples_2_n_iter_2_sd2.txt", "original_xformers", "a10"),
        ("mine_A10_n_samples_4_n_iter_2_sd2.txt", "mine", "a10"),
        ("RTX_3090_n_samples_4_n_iter_2_sd2/optimized.txt", "optimized", "rtx_3090"),
    ],
)
def test_a_gpus_name_may_have_several_words(
    tmp_path: Path, name: str, preset: str, gpu: str
) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("5.1\n")
    (row,) = load_records(tmp_path).to_dict("records")
    assert (row["preset"], row["gpu"]) == (preset, gpu)
