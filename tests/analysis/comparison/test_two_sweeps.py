"""``compare OLD NEW``: what it reports for each cell, and its exit codes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from analysis import load_records, summarise
from analysis.__main__ import main
from analysis.comparison.gate import FAILURES
from analysis.comparison.two_sweeps import compare_sweeps
from analysis.tables.two_sweeps import make_two_sweeps_page
from sd_bench.verdicts.judgement import DEFAULT_MARGIN
from tests.support.records import sample_environment, sample_record, write_sample, write_sweep


def ten(mean_s: float, spread: float = 0.002) -> list[float]:
    return [mean_s * (1 + spread * ((7 * at) % 10 - 4.5) / 3) for at in range(10)]


def write_pair(root: Path) -> list[str]:
    """OLD and NEW with one cell for each outcome."""
    old = {
        (1, "math"): ten(10.0),
        (1, "flash"): ten(5.0),
        (2, "math"): ten(20.0),
        (2, "flash"): ten(9.0, 0.2),
        (4, "math"): ten(40.0)[:3],
        (4, "flash"): ten(20.0),
        (8, "math"): ten(70.0),
    }
    new = {
        (1, "math"): ten(10.01),
        (1, "flash"): ten(5.5),
        (2, "math"): ten(15.0),
        (2, "flash"): ten(9.3, 0.2),
        (4, "math"): ten(60.0)[:3],
        (16, "math"): ten(150.0),
    }
    write_sweep(root / "old", old)
    write_sweep(root / "new", new, changes={(2, "math"): 0.3})
    oom = sample_record(status="oom", reason="12 GiB", batch_size=4, attention="flash")
    write_sample(root / "new", oom)
    return [str(root / "old"), str(root / "new")]


def write_two(root: Path, **new: Any) -> list[str]:
    """OLD and NEW with the cells math and flash; flash is faster in NEW, changed by ``new``."""
    write_sweep(root / "old", {(1, "math"): ten(2.0), (1, "flash"): ten(1.5)}, sweep="day-1")
    seconds = {(1, "math"): ten(2.0), (1, "flash"): ten(1.0)}
    write_sweep(root / "new", seconds, **({"sweep": "day-2"} | new))
    return [str(root / "old"), str(root / "new")]


def write_in_two_environments(root: Path) -> list[str]:
    """NEW is slower than OLD in both of its environments."""
    write_sweep(root / "old", {(1, "math"): ten(2.0)})
    for sweep in ("monday", "tuesday"):
        environment = sample_environment(sweep)
        write_sweep(root / "new", {(1, "math"): ten(3.0)}, sweep=sweep, environment=environment)
    return [str(root / "old"), str(root / "new")]


def compared(folders: list[str]) -> pd.DataFrame:
    old, new = (summarise(load_records(folder)) for folder in folders)
    return compare_sweeps(old, new, DEFAULT_MARGIN)


def printed(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    assert main(["compare", *arguments]) == code
    return capsys.readouterr().out


def cells_of(text: str) -> list[dict[str, str]]:
    """The rows of the Markdown table, by heading."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    headings, _, *rows = ([cell.strip() for cell in line.split("|")[1:-1]] for line in lines)
    return [dict(zip(headings, row, strict=True)) for row in rows]


def outcomes(root: Path) -> dict[tuple[int, str], str]:
    cells = compared(write_pair(root))
    keys = zip(cells["batch_size"], cells["attention"], strict=True)
    return dict(zip(keys, cells["outcome"], strict=True))


def named(compared: pd.DataFrame) -> list[str]:
    """The names of the cells in the table."""
    table = make_two_sweeps_page(compared, []).tables[0]
    return [row[table.headings.index("cell")] for row in table.rows]


def test_cells_are_found_again_in_records_from_before_upcast_was_a_choice(tmp_path: Path) -> None:
    seconds = {("math", "default"): ten(10.0), ("flash", "false"): ten(5.0)}
    for name in ("old", "new"):
        write_sweep(tmp_path / name, seconds, axes=("attention", "upcast"))
    old, new = (summarise(load_records(tmp_path / name)) for name in ("old", "new"))
    compared = compare_sweeps(old.assign(upcast=None), new, DEFAULT_MARGIN)
    assert list(compared["outcome"]) == ["same", "same"]
    both = compare_sweeps(old, new, DEFAULT_MARGIN)
    assert list(both["outcome"]) == ["same", "same"]
    assert named(both) == ["math", "flash"]


def test_cells_that_differ_in_upcast_are_distinguished(tmp_path: Path) -> None:
    seconds = {("true",): ten(10.0), ("false",): ten(5.0)}
    for name in ("old", "new"):
        write_sweep(tmp_path / name, seconds, axes=("upcast",), attention="math")
    old, new = (summarise(load_records(tmp_path / name)) for name in ("old", "new"))
    assert named(compare_sweeps(old, new, DEFAULT_MARGIN)) == ["upcast true", "upcast false"]


def test_every_cell_has_its_outcome(tmp_path: Path) -> None:
    assert outcomes(tmp_path) == {
        (1, "math"): "same",
        (1, "flash"): "slower",
        (2, "math"): "faster",
        (2, "flash"): "unclear",
        (4, "math"): "too few rounds",
        (4, "flash"): "failed",
        (8, "math"): "missing",
        (16, "math"): "new",
    }


def test_the_markdown_has_a_summary_and_the_numbers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = tmp_path / "report.md"
    assert main(["compare", *write_pair(tmp_path), "--out", str(report)]) == 0
    text = capsys.readouterr().out
    assert report.read_text() == text
    assert text.startswith("# NEW against OLD\n\n## 8 cells: ")
    (slower,) = (line for line in text.splitlines() if "| slower |" in line)
    assert "| slower | 0.909x | 0.907 to 0.911 | -10.0 % | 5.00 | 5.50 | 0 | proven |" in slower
    assert re.search(r"1\.33\d*x ‡", text)
    (failed,) = (cell for cell in cells_of(text) if cell["verdict"] == "failed")
    assert failed["note"] == "oom: 12 GiB"
    assert "The output of 1 cells differs from OLD's." in text


@pytest.mark.parametrize(
    ("fail_if", "count"),
    [
        (["slower"], 1),
        (["failed"], 1),
        (["missing"], 1),
        (["different"], 1),
        (["slower", "failed", "missing"], 3),
    ],
)
def test_the_exit_code_is_1_for_what_was_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], fail_if: list[str], count: int
) -> None:
    assert main(["compare", *write_pair(tmp_path), "--fail-if", *fail_if]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"analysis: {count} of 8 cells are ")
    assert error.count("\n") == 1


def test_equal_sweeps_pass_every_gate(tmp_path: Path) -> None:
    for name in ("old", "new"):
        write_sweep(tmp_path / name, {(1, "math"): ten(10.0)})
    folders = [str(tmp_path / "old"), str(tmp_path / "new")]
    assert main(["compare", *folders, "--fail-if", *FAILURES]) == 0


def test_a_wider_margin_lets_a_small_loss_pass(tmp_path: Path) -> None:
    write_sweep(tmp_path / "old", {(1, "math"): ten(10.0)})
    write_sweep(tmp_path / "new", {(1, "math"): ten(10.3)})
    command = ["compare", str(tmp_path / "old"), str(tmp_path / "new"), "--fail-if", "slower"]
    assert main([*command, "--margin", "2%"]) == 1
    assert main([*command, "--margin", "5 %"]) == 0


def test_rounds_of_two_sweeps_are_never_taken_for_pairs(tmp_path: Path) -> None:
    for name in ("old", "new"):
        write_sweep(tmp_path / name, {(1, "math"): ten(10.0)}, sweep="the-same-name")
    folders = [str(tmp_path / name) for name in ("old", "new")]
    assert set(compared(folders)["method"]) == {"unpaired"}


def test_there_is_no_guessing_between_two_cells_that_fit(tmp_path: Path) -> None:
    write_sweep(tmp_path / "old", {(1, "math"): ten(10.0)})
    for cell_hash in ("aaa", "bbb"):
        record = sample_record(1.0, attention="math", cell_hash=cell_hash, started_at=cell_hash)
        write_sample(tmp_path / "new" / cell_hash, record)
    (cell,) = compared([str(tmp_path / "old"), str(tmp_path / "new")]).to_dict("records")
    assert cell["outcome"] == "ambiguous"
    assert "in EPYC #aaa (2026-11-23/10-00-00) and EPYC #bbb (2026-11-23/10-00-00)" in cell["note"]


def test_an_ambiguous_cell_says_which_environments_and_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (cell,) = cells_of(printed(capsys, *write_in_two_environments(tmp_path), code=2))
    assert (cell["verdict"], cell["kernel proof"]) == ("ambiguous", "proven")
    assert "parity" not in cell  # nothing was compared
    assert cell["note"] == (
        "NEW measured it 2 times, in EPYC (1) (monday) and EPYC (2) (tuesday): give as NEW a "
        "folder that holds only one of them"
    )


def test_a_gate_can_fail_for_what_is_ambiguous(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = write_in_two_environments(tmp_path)
    for folder in folders:
        write_sweep(Path(folder), {(2, "math"): ten(4.0)}, environment=sample_environment("one"))
    assert main(["compare", *folders, "--fail-if", "ambiguous"]) == 1
    assert capsys.readouterr().err.startswith("analysis: 1 of 2 cells are ")
    assert main(["compare", *folders, "--fail-if", "unclear"]) == 3


def test_without_any_comparison_the_gate_does_not_pass_and_the_table_is_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = tmp_path / "report.md"
    folders = write_in_two_environments(tmp_path)
    assert main(["compare", *folders, "--fail-if", "slower", "--out", str(report)]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith(
        "analysis: no cell could be compared (1 ambiguous): NEW measured it"
    )
    assert captured.err.count("\n") == 1
    assert captured.out == report.read_text()
    assert "1 cells: 1 ambiguous" in captured.out


def test_cells_with_nothing_in_common_say_on_which_axis(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", *write_two(tmp_path, steps=5)]) == 2
    captured = capsys.readouterr()
    assert captured.err == (
        "analysis: no cell could be compared (2 missing, 2 new): steps is 4 in OLD and 5 in NEW\n"
    )
    cells = cells_of(captured.out)
    named = {cell["cell"] for cell in cells}
    assert named == {f"{name}, {steps} steps" for name in ("math", "flash") for steps in (4, 5)}
    assert all("parity" not in cell for cell in cells)


def test_a_speed_up_without_proof_is_marked_and_explained_and_can_fail(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = write_two(tmp_path, proven=False)
    text = printed(capsys, *folders)
    (flash,) = (cell for cell in cells_of(text) if cell["cell"] == "flash")
    assert flash["speed-up"] == "1.500x †"
    assert flash["kernel proof"] == "missed (OLD: proven)"
    assert "2 cells: 1 same †, 1 faster †" in text
    assert "\n† the attention kernels that ran are not proven" in text
    assert main(["compare", *folders, "--fail-if", "unproven"]) == 1
    assert "without a proof of the attention kernels" in capsys.readouterr().err


def test_kernels_that_cannot_be_seen_fail_the_gate_with_the_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = [str(tmp_path / side) for side in ("old", "new")]
    unseen: dict[str, Any] = {"attention": "auto", "unprovable": "it runs none of PyTorch's"}
    for folder in folders:
        axes = ("batch_size", "implementation")
        seconds = {(1, "openvino"): ten(2.0), (2, "openvino"): ten(3.0)}
        write_sweep(Path(folder), seconds, axes, sweep=folder[-3:], **unseen)
    text = printed(capsys, *folders)
    assert {cell["kernel proof"] for cell in cells_of(text)} == {
        "unproven (it runs none of PyTorch's)"
    }
    assert "◊ unproven: the attention kernels that ran cannot be seen" in text
    assert main(["compare", *folders, "--fail-if", "unproven"]) == 1
    assert "unproven (it runs none of PyTorch's)" in capsys.readouterr().err


def test_a_speed_up_over_an_unproven_old_is_marked_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    new, old = write_two(tmp_path, proven=False)
    text = printed(capsys, old, new, "--fail-if", "unproven")
    assert {cell["speed-up"][-1] for cell in cells_of(text)} == {"†"}
    assert {cell["kernel proof"] for cell in cells_of(text)} == {"proven (OLD: missed)"}


def test_another_output_is_explained(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(capsys, *write_pair(tmp_path))
    assert "\n‡ the output differs from the baseline's" in text


@pytest.mark.parametrize("environment", [None, {}])
def test_rounds_that_crashed_are_counted_and_can_fail(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], environment: dict[str, Any] | None
) -> None:
    """A worker that is killed leaves a record without an environment."""
    folders = write_two(tmp_path)
    for number in range(10, 13):
        crash: dict[str, Any] = {
            "status": "crashed",
            "reason": "SIGSEGV",
            "environment": environment,
        }
        crashed = sample_record(attention="math", round_index=number, sweep="day-2", **crash)
        write_sample(tmp_path / "new", crashed)
    cells = cells_of(printed(capsys, *folders))
    (math_cell,) = (cell for cell in cells if cell["cell"] == "math")
    assert math_cell["note"] == "3 of 13 rounds crashed: SIGSEGV"
    assert math_cell["verdict"] == "same"
    assert main(["compare", *folders, "--fail-if", "failed"]) == 1
    assert capsys.readouterr().err.startswith("analysis: 1 of 2 cells are ")


def test_both_sides_say_their_folder_and_environment(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old, new = write_two(tmp_path, environment=sample_environment("beef", "NVIDIA A10", "2.20.0"))
    text = printed(capsys, old, new)
    assert (
        f"\nNEW is {new}; NVIDIA A10, PyTorch 2.20.0 on Python 3.11.7, commit 0123456789, "
        "20 rounds of day-2."
    ) in text
    assert f"\nOLD is {old}; AMD EPYC, PyTorch 2.15.0" in text
    assert "\nAll cells: cpu, sd2, compile off, fp32, torch_env current, plms, 4 steps" in text


def test_the_meaning_of_the_seconds_is_stated(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old, new = (str(tmp_path / name) for name in ("old", "new"))
    for folder in (old, new):
        write_sweep(Path(folder), {(1, "math"): ten(2.0)}, n_iter=2)
    assert "\nRuntime of a round: the sum of 2 timed iterations" in printed(capsys, old, new)
    main(["compare", old, new, "--value", "median-iteration"])
    output = capsys.readouterr().out
    assert "\nRuntime of a round: the median of 2 timed iterations" in output
    assert output.count("Runtime of a round: ") == 1


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["only-one"], "NEW"),
        (["nowhere", "nowhere"], "no folder nowhere"),
        (["a", "b", "--margin", "much"], "'much' is not a percentage"),
        (["a", "b", "--fail-if", "ugly"], "'ugly' is not one of slower, unclear, "),
        (["a", "b", "--fail-if", "slower:0.05"], "is not a slow-down such as slower:5%"),
        (["a", "b", "--fail-if", "slower:5"], "is not a slow-down such as slower:5%"),
        (["a", "b", "--fail-if", "slower:0%"], "is not a slow-down such as slower:5%"),
        (["a", "b", "--fail-if", "slower:-5%"], "is not a slow-down such as slower:5%"),
        (["a", "b", "--fail-if", "slower:nan%"], "is not a slow-down such as slower:5%"),
        (["a", "b", "--fail-if", "slower:"], "is not a slow-down such as slower:5%"),
        (["a", "b", "--fail-if", "missing:5%"], "only slower takes a percentage"),
    ],
)
def test_mistakes_are_one_line(
    capsys: pytest.CaptureFixture[str], arguments: list[str], expected: str
) -> None:
    assert main(["compare", *arguments]) == 2
    error = capsys.readouterr().err
    assert expected in error
    assert error.count("\n") == 1
