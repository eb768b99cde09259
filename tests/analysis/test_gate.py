"""``compare OLD NEW``: what it says of each cell, and its exit codes."""

from __future__ import annotations

from pathlib import Path

import pytest

from analysis import load_records, summarise
from analysis.__main__ import main
from analysis.gate import compare_sweeps, gate_page
from analysis.verdicts import DEFAULT_MARGIN
from tests.sample_records import sample_record, write_sample, write_sweep


def ten(mean_s: float, spread: float = 0.002) -> list[float]:
    return [mean_s * (1 + spread * ((7 * at) % 10 - 4.5) / 3) for at in range(10)]


def write_pair(root: Path) -> list[str]:
    """OLD and NEW with a cell of each outcome."""
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


def outcomes(root: Path) -> dict[tuple[int, str], str]:
    old, new = (summarise(load_records(folder)) for folder in write_pair(root))
    compared = compare_sweeps(old, new, DEFAULT_MARGIN)
    keys = zip(compared["batch_size"], compared["attention"], strict=True)
    return dict(zip(keys, compared["outcome"], strict=True))


def test_cells_are_found_again_in_records_from_before_upcast_was_a_choice(tmp_path: Path) -> None:
    seconds = {("math", "default"): ten(10.0), ("flash", "false"): ten(5.0)}
    for name in ("old", "new"):
        write_sweep(tmp_path / name, seconds, axes=("attention", "upcast"))
    old, new = (summarise(load_records(tmp_path / name)) for name in ("old", "new"))
    compared = compare_sweeps(old.assign(upcast=None), new, DEFAULT_MARGIN)
    assert list(compared["outcome"]) == ["same", "same"]
    both = compare_sweeps(old, new, DEFAULT_MARGIN)
    assert list(both["outcome"]) == ["same", "same"]
    assert [row[2] for row in gate_page(both).tables[0].rows] == ["math", "flash"]


def test_cells_that_differ_in_upcast_are_told_apart(tmp_path: Path) -> None:
    seconds = {("true",): ten(10.0), ("false",): ten(5.0)}
    for name in ("old", "new"):
        write_sweep(tmp_path / name, seconds, axes=("upcast",), attention="math")
    old, new = (summarise(load_records(tmp_path / name)) for name in ("old", "new"))
    rows = gate_page(compare_sweeps(old, new, DEFAULT_MARGIN)).tables[0].rows
    assert [row[2] for row in rows] == ["upcast true", "upcast false"]


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
    assert "| 5.00 | 5.50 | -10.0 % | 0.91x | 0.91 to 0.91 | slower | 0 |" in slower
    assert "1.33x ‡" in text
    assert "failed: oom: 12 GiB" in text
    assert "The output of 1 cells differs from OLD's." in text


@pytest.mark.parametrize(
    ("fail_if", "count"),
    [
        (["slower"], 1),
        (["failed"], 1),
        (["missing"], 1),
        (["unclear"], 2),
        (["different"], 1),
        (["slower", "failed", "missing"], 3),
    ],
)
def test_the_exit_code_is_1_for_what_was_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], fail_if: list[str], count: int
) -> None:
    assert main(["compare", *write_pair(tmp_path), "--fail-if", *fail_if]) == 1
    assert capsys.readouterr().err.startswith(f"analysis: {count} of 8 cells are ")


def test_equal_sweeps_pass_every_gate(tmp_path: Path) -> None:
    for name in ("old", "new"):
        write_sweep(tmp_path / name, {(1, "math"): ten(10.0)})
    folders = [str(tmp_path / "old"), str(tmp_path / "new")]
    every = ["slower", "unclear", "failed", "missing", "different"]
    assert main(["compare", *folders, "--fail-if", *every]) == 0


def test_a_wider_margin_lets_a_small_loss_pass(tmp_path: Path) -> None:
    write_sweep(tmp_path / "old", {(1, "math"): ten(10.0)})
    write_sweep(tmp_path / "new", {(1, "math"): ten(10.3)})
    command = ["compare", str(tmp_path / "old"), str(tmp_path / "new"), "--fail-if", "slower"]
    assert main([*command, "--margin", "2%"]) == 1
    assert main([*command, "--margin", "5 %"]) == 0


def test_rounds_of_two_sweeps_are_never_taken_for_pairs(tmp_path: Path) -> None:
    for name in ("old", "new"):
        write_sweep(tmp_path / name, {(1, "math"): ten(10.0)}, sweep="the-same-name")
    old, new = (summarise(load_records(tmp_path / name)) for name in ("old", "new"))
    assert set(compare_sweeps(old, new, DEFAULT_MARGIN)["method"]) == {"welch"}


def test_two_cells_that_fit_are_not_guessed_between(tmp_path: Path) -> None:
    write_sweep(tmp_path / "old", {(1, "math"): ten(10.0)})
    for cell_hash in ("aaa", "bbb"):
        record = sample_record(1.0, attention="math", cell_hash=cell_hash, started_at=cell_hash)
        write_sample(tmp_path / "new" / cell_hash, record)
    old, new = (summarise(load_records(tmp_path / name)) for name in ("old", "new"))
    page = gate_page(compare_sweeps(old, new, DEFAULT_MARGIN))
    assert page.tables[0].title == "1 cells: 1 ambiguous"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["only-one"], "NEW"),
        (["nowhere", "nowhere"], "no folder nowhere"),
        (["a", "b", "--margin", "much"], "'much' is no percentage"),
        (["a", "b", "--fail-if", "ugly"], "invalid choice"),
    ],
)
def test_mistakes_are_one_line(
    capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    assert main(["compare", *arguments]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
