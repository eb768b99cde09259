"""The table across machines: right ratios, of what may be compared only, and all that differs."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from analysis import compare, compare_by_axis, list_environments, load_records, summarise
from analysis.__main__ import main
from analysis.comparison.machines import Machines, find_machines
from analysis.tables.files import make_pages, write_tables
from analysis.tables.latex import MOST_COLUMNS, to_latex
from analysis.tables.machines import make_machines_page
from analysis.tables.markup import to_html, to_markdown
from analysis.tables.page import Page
from analysis.wording.machines import NO_VERDICT_NOTE
from tests.support.latex import compile_latex, document
from tests.support.records import sample_environment, sample_record, write_sample, write_sweep

#: Seconds of each cell on a machine of speed 1: batch size and attention.
CELLS: dict[tuple[Any, ...], float] = {(1, "flash"): 2.0, (1, "math"): 2.5, (4, "flash"): 8.0}

#: Rounds around their level; the geometric mean is almost the level.
SPREAD = (0.99, 1.0, 1.01)


def write(
    root: Path,
    gpu: str,
    speed: float = 1.0,
    cells: Mapping[tuple[Any, ...], float] | None = None,
    torch: str = "2.15.0",
    commit: str = "0123456789abcdef",
    spread: Sequence[float] = SPREAD,
    **fixed: Any,
) -> Path:
    """A sweep of the cells on a GPU that is as many times as fast as the slowest."""
    day = fixed.pop("sweep", f"{gpu}/10-00-00")
    environment = sample_environment(f"{gpu} {torch}", fixed.pop("device", gpu.upper()), torch)
    environment |= {"project": {"git_commit": commit, "dirty": False}, **fixed.pop("extra_env", {})}
    seconds = {cell: [s / speed * k for k in spread] for cell, s in (cells or CELLS).items()}
    fixed = {"gpu": gpu, "sweep": day, "environment": environment, **fixed}
    return write_sweep(root, seconds, **fixed)


def find(root: Path) -> Machines | None:
    rounds = load_records(root)
    return find_machines(compare(summarise(rounds)), list_environments(rounds))


def page(root: Path) -> Page:
    machines = find(root)
    assert machines is not None
    return make_machines_page(machines)


def rows(made: Page) -> list[dict[str, str]]:
    (table,) = made.tables
    return [dict(zip(table.headings, row, strict=True)) for row in table.rows]


@pytest.fixture
def two(tmp_path: Path) -> Path:
    """An A100 and an H100 that is 3.1 times as fast, which differ in nothing else."""
    write(tmp_path, "a100")
    write(tmp_path, "h100", speed=3.1)
    return tmp_path


def test_a_row_has_every_machine_the_fastest_and_how_many_times_the_slowest(two: Path) -> None:
    found = rows(page(two))
    assert found[1] == {
        "batch size": "1",
        "attention": "flash",
        "A100 [images/s]": "0.500",
        "H100 [images/s]": "1.55",
        "fastest": "H100",
        "times the slowest": "3.10x",
    }
    places = [(row["batch size"], row["attention"]) for row in found]
    assert places == [("1", "math"), ("1", "flash"), ("4", "flash")]


def test_one_sentence_answers_for_the_smallest_batch_size_and_its_fastest_choices(
    two: Path,
) -> None:
    assert page(two).answer == (
        "At batch size 1 with flash, H100 makes 3.10 times as many images per second as A100."
    )


def test_no_verdict_is_claimed_and_the_notes_say_why(two: Path) -> None:
    made = page(two)
    assert NO_VERDICT_NOTE in made.notes
    assert "not interleaved" in NO_VERDICT_NOTE
    assert not {"verdict", "95 % interval", "speed-up"} & {*made.tables[0].headings}


def test_of_three_machines_the_fastest_is_held_against_the_slowest(tmp_path: Path) -> None:
    for gpu, speed in (("t4", 1.0), ("a100", 2.0), ("h100", 4.0)):
        write(tmp_path, gpu, speed, {(1, "flash"): 2.0})
    write(tmp_path, "t4", 1.0, {(1, "math"): 3.0}, sweep="t4/11-00-00")
    write(tmp_path, "a100", 2.0, {(1, "math"): 3.0}, sweep="a100/11-00-00")
    math, flash = rows(page(tmp_path))
    assert (flash["fastest"], flash["times the slowest"]) == ("H100", "4.00x")
    assert (math["fastest"], math["times the slowest"]) == ("A100", "2.00x")
    assert math["H100 [images/s]"] == "-"
    assert page(tmp_path).answer == (
        "At batch size 1 with flash, H100 is the fastest of 3 machines and makes 4.00 times as "
        "many images per second as the slowest, T4."
    )


def test_a_disturbed_round_moves_neither_rate_nor_ratio(tmp_path: Path) -> None:
    write(tmp_path, "a100", spread=(0.99, 1.0, 1.01, 0.995, 1.005, 1.002, 5.0))
    write(tmp_path, "h100", speed=3.1, spread=(0.99, 1.0, 1.01, 0.995, 1.005, 1.002))
    flash = rows(page(tmp_path))[1]
    assert flash["times the slowest"] == "3.10x"
    assert flash["A100 [images/s]"].startswith("0.5")


def test_a_ratio_that_rounds_to_one_has_no_fastest_machine(tmp_path: Path) -> None:
    write(tmp_path, "a100")
    write(tmp_path, "h100", speed=1.004)
    made = page(tmp_path)
    assert {(row["fastest"], row["times the slowest"]) for row in rows(made)} == {("-", "1.00x")}
    assert made.answer == (
        "At batch size 1 with flash, the runtimes of A100 and H100 differ by less than 1 %."
    )


def test_images_of_all_iterations_of_a_round_are_counted(tmp_path: Path) -> None:
    for gpu, call_s in (("a100", 4.0), ("h100", 2.0)):
        environment = sample_environment(gpu, gpu.upper())
        record = sample_record(
            *(call_s, call_s), gpu=gpu, batch_size=4, n_iter=2, environment=environment, sweep=gpu
        )
        write_sample(tmp_path, record)
    (row,) = rows(page(tmp_path))
    assert (row["A100 [images/s]"], row["H100 [images/s]"]) == ("1.00", "2.00")


@pytest.mark.parametrize(
    "other",
    [
        *({"steps": 50}, {"height": 512}, {"sampler": "ddim"}, {"precision": "fp16"}),
        *({"n_iter": 2}, {"model_version": "sd1"}, {"compile": "default"}, {"weights": "mine"}),
        *({"config": {"prompt": "a cat"}}, {"config": {"workload": {"seed": 7}}}),
        {"torch_env": "optimized"},
    ],
    ids=str,
)
def test_what_was_not_chosen_alike_is_not_compared(tmp_path: Path, other: dict[str, Any]) -> None:
    write(tmp_path, "a100")
    write(tmp_path, "h100", speed=3.1, **other)
    assert find(tmp_path) is None


def test_an_unknown_amount_of_work_is_not_compared(tmp_path: Path) -> None:
    write(tmp_path, "a100", steps=None)
    write(tmp_path, "h100", speed=3.1, steps=None)
    assert find(tmp_path) is None


def test_machines_that_are_called_after_their_pytorch_are_not_repeated(tmp_path: Path) -> None:
    for torch, speed in (("2.11.0", 1.0), ("2.15.0", 1.2)):
        write(tmp_path, "a100", speed, torch=torch, sweep=f"a100/{torch}")
    made = page(tmp_path)
    assert "A100, PyTorch 2.11.0 [images/s]" in made.tables[0].headings
    assert made.answer.endswith(
        "A100, PyTorch 2.15.0 makes 1.20 times as many images per second as A100, PyTorch 2.11.0 "
        "(PyTorch 2.11.0 and 2.15.0)."
    )


def test_only_what_two_machines_measured_has_a_row(tmp_path: Path) -> None:
    write(tmp_path, "a100")
    write(tmp_path, "h100", cells={(1, "flash"): 1.0, (2, "flash"): 2.0})
    failed = sample_record(
        status="oom",
        reason="80 GiB",
        gpu="h100",
        attention="math",
        sweep="h100/10-00-00",
        environment=sample_environment("h100 2.15.0", "H100"),
    )
    write_sample(tmp_path, failed)
    (row,) = rows(page(tmp_path))
    assert (row["batch size"], row["attention"]) == ("1", "flash")


def test_one_machine_has_no_page(tmp_path: Path) -> None:
    write(tmp_path / "sweep", "a100")
    assert find(tmp_path / "sweep") is None
    rounds = load_records(tmp_path / "sweep")
    cells = summarise(rounds)
    written = write_tables(compare(cells), list_environments(rounds), {}, tmp_path)
    assert "machines" not in {path.stem for path in written}


def test_another_version_of_pytorch_is_named(tmp_path: Path) -> None:
    write(tmp_path, "a100", torch="2.11.0+cu126")
    write(tmp_path, "h100", speed=3.1, torch="2.15.0+cu128")
    made = page(tmp_path)
    assert "In every row: PyTorch 2.11.0 on A100, 2.15.0 on H100." in made.notes
    assert made.answer.endswith("as A100 (PyTorch 2.11.0 on A100, 2.15.0 on H100).")
    assert "note" not in made.tables[0].headings


def test_another_build_of_one_version_is_named_with_its_build(tmp_path: Path) -> None:
    write(tmp_path, "a100", torch="2.15.0+cu126")
    write(tmp_path, "h100", torch="2.15.0+cu128")
    notes = " ".join(page(tmp_path).notes)
    assert "PyTorch 2.15.0+cu126 on A100, 2.15.0+cu128 on H100." in notes


def test_another_commit_is_named(tmp_path: Path) -> None:
    write(tmp_path, "a100", commit="aaaaaaaaaaaaaaaa")
    write(tmp_path, "h100", commit="bbbbbbbbbbbbbbbb")
    notes = " ".join(page(tmp_path).notes)
    assert "In every row: commit aaaaaaaaaa on A100, bbbbbbbbbb on H100." in notes


def test_one_commit_with_changes_may_be_two(tmp_path: Path) -> None:
    changed = {"project": {"git_commit": "0123456789abcdef", "dirty": True}}
    for gpu in ("a100", "h100"):
        write(tmp_path, gpu, extra_env=changed)
    notes = " ".join(page(tmp_path).notes)
    assert "commit 0123456789 (changed) on A100 and H100." in notes


@pytest.mark.parametrize("implementation", ["diffusers", "sd_bench"])
def test_other_versions_of_peers_are_named_where_a_peer_ran(
    tmp_path: Path, implementation: str
) -> None:
    for gpu, version in (("a100", "0.41.0"), ("h100", "0.42.1")):
        packages = {"packages": {"diffusers": version}}
        write(tmp_path, gpu, extra_env=packages, implementation=implementation)
    told = "In every row: diffusers 0.41.0 on A100, 0.42.1 on H100."
    assert (told in " ".join(page(tmp_path).notes)) == (implementation == "diffusers")


def test_what_differs_in_some_rows_only_stands_beside_them(tmp_path: Path) -> None:
    write(tmp_path, "a100")
    write(tmp_path, "h100", speed=2, cells={(1, "flash"): 2.0})
    write(tmp_path, "h200", speed=3, torch="2.16.0", cells={(1, "math"): 2.5})
    made = page(tmp_path)
    math, flash = rows(made)
    assert math["note"] == "PyTorch 2.15.0 on A100, 2.16.0 on H200"
    assert flash["note"] == ""
    assert "H100 makes 2.00 times" in made.answer, "the row in which only machines differ"


def test_a_machine_with_two_environments_stands_with_the_version_that_others_have(
    tmp_path: Path,
) -> None:
    """It is one machine, since both were measured in one sweep."""
    for torch, speed in (("2.11.0", 1.0), ("2.15.0", 2.0)):
        write(
            *(tmp_path, "a100", speed, {(1, "flash"): 2.0}, torch),
            sweep="day/one",
            extra={"job": torch},
        )
    write(tmp_path, "h100", 4.0, {(1, "flash"): 2.0})
    made = page(tmp_path)
    (row,) = rows(made)
    assert row["times the slowest"] == "2.00x"
    assert not any(note.startswith("In every row") for note in made.notes)
    assert any("in several environments" in note for note in made.notes)


def test_each_common_version_has_its_row(tmp_path: Path) -> None:
    for gpu, speed in (("a100", 1.0), ("h100", 4.0)):
        for torch, faster in (("2.11.0", 1.0), ("2.15.0", 2.0)):
            write(
                *(tmp_path, gpu, speed * faster, {(1, "flash"): 2.0}, torch),
                sweep=f"{gpu}/one",
                extra={"job": torch},
            )
    found = rows(page(tmp_path))
    assert [row["attention"] for row in found] == ["flash, PyTorch 2.11.0", "flash, PyTorch 2.15.0"]
    assert [row["times the slowest"] for row in found] == ["4.00x", "4.00x"]


def test_other_kernels_than_the_ones_named_are_left_out_and_counted(tmp_path: Path) -> None:
    write(tmp_path, "a100")
    write(tmp_path, "h100", 3.1, {(1, "math"): 2.5})
    write(tmp_path, "h100", 3.1, {(1, "flash"): 2.0}, proven=False)
    made = page(tmp_path)
    (row,) = rows(made)
    assert row["attention"] == "math"
    assert "Left out: 1 cell whose attention kernels are not the ones named." in made.notes


def test_unchecked_kernels_have_their_sign_and_make_no_sentence(tmp_path: Path) -> None:
    write(tmp_path, "a100")
    write(tmp_path, "h100", 3.1, proven=None)
    made = page(tmp_path)
    assert {row["H100 [images/s]"][-2:] for row in rows(made)} == {" †"}
    assert any(note.startswith("† ") for note in made.notes)
    assert made.answer == ""


def test_a_cell_whose_output_is_known_to_differ_is_left_out(tmp_path: Path) -> None:
    write(tmp_path, "a100", changes={(1, "flash"): 0.5})
    write(tmp_path, "h100", 3.1)
    made = page(tmp_path)
    places = [(row["batch size"], row["attention"]) for row in rows(made)]
    assert places == [("1", "math"), ("4", "flash")]
    assert "Left out: 1 cell whose output differs from the baseline's." in made.notes


def test_machines_that_draw_different_pictures_are_told(tmp_path: Path) -> None:
    write(tmp_path, "a100", cells={(1, "flash"): 2.0})
    write(tmp_path, "h100", 3.1, {(1, "flash"): 2.0}, changes={(1, "flash"): 0.5})
    made = page(tmp_path)
    (row,) = rows(made)
    assert row["note"] == "output of H100 differs from that of A100 by 5.0e-01"
    assert made.answer == ""


def test_the_csv_has_a_line_per_row_and_machine(two: Path, tmp_path: Path) -> None:
    rounds = load_records(two)
    cells = summarise(rounds)
    out = tmp_path / "out"
    out.mkdir()
    written = write_tables(compare(cells), list_environments(rounds), compare_by_axis(cells), out)
    suffixes = {path.suffix for path in written if path.stem == "machines"}
    assert suffixes == {".md", ".csv", ".tex", ".html"}
    with (out / "machines.csv").open() as stream:
        lines = list(csv.DictReader(stream))
    assert [line["machines_row"] for line in lines] == ["1", "1", "2", "2", "3", "3"]
    slow, fast = lines[2:4]
    assert (slow["machine"], slow["series"], slow["fastest"]) == ("A100", "flash", "False")
    assert float(slow["times_slowest"]) == 1.0
    assert float(fast["times_slowest"]) == pytest.approx(3.1)
    assert float(fast["typical_images_per_s"]) == pytest.approx(1.55, rel=1e-4)
    assert (fast["fastest"], fast["batch_size"], fast["differs"]) == ("True", "1", "")


@pytest.mark.parametrize(
    "name", ["GPU|x", "GPU_x & 50 % #1", "<i>GPU</i> $x$ \\ {y}", "*G* `P` ^~"]
)
def test_a_machines_name_breaks_no_table(tmp_path: Path, name: str) -> None:
    write(tmp_path, "cpu", device="EPYC")
    write(tmp_path, "cpu", 3.1, device=f"NVIDIA {name}", torch="2.14.0", sweep="other/one")
    made = page(tmp_path)
    markdown = to_markdown(made)
    lines = [line for line in markdown.splitlines() if line.startswith("|")]
    assert len({len(re.findall(r"(?<!\\)\|", line)) for line in lines}) == 1
    assert "<i>" not in re.sub(r"\\<", "", markdown)
    assert "<i>" not in to_html(made)
    latex = to_latex(made, "machines")
    ends = [line for line in latex.splitlines() if line.endswith(r"\\")]
    assert len({len(re.findall(r"(?<!\\)&", line)) for line in ends}) == 1


def test_the_table_compiles_with_odd_names(tmp_path: Path) -> None:
    write(tmp_path / "sweep", "cpu", device="EPYC")
    odd = r"GPU_x & 50 % #1 {y} $ \ ^~"
    write(tmp_path / "sweep", "cpu", 3.1, device=odd, torch="2.14.0", sweep="other/one")
    file = tmp_path / "table.tex"
    file.write_text(document(to_latex(page(tmp_path / "sweep"), "machines")), encoding="utf-8")
    compile_latex(file)


def test_latex_of_many_machines_keeps_the_fastest_and_the_ratio(tmp_path: Path) -> None:
    for speed, gpu in enumerate(("v100", "t4", "a10", "l4", "a100", "h100", "h200"), 1):
        write(tmp_path, gpu, speed, {(1, "flash"): 2.0})
    text = to_latex(page(tmp_path), "machines")
    (heading,) = [line for line in text.splitlines() if "fastest" in line and line.endswith(r"\\")]
    assert heading.count(" & ") == MOST_COLUMNS - 1
    assert "slowest" in heading
    assert "% Left out: " in text


def test_papers_have_the_table_too(two: Path) -> None:
    rounds = load_records(two)
    cells = summarise(rounds)
    assert "machines" in make_pages(compare(cells), list_environments(rounds), {})


def test_the_report_has_the_table_before_the_machines(two: Path, tmp_path: Path) -> None:
    out = tmp_path / "report"
    assert main([str(two), "--out", str(out), "--most-charts", "0"]) == 0
    report = (out / "report.html").read_text(encoding="utf-8")
    titles = re.findall("<h3>([^<]*)</h3>", report)
    assert titles[:3] == ["Across machines", "A100", "H100"]
    answer = "At batch size 1 with flash, H100 makes 3.10 times"
    assert report.index("<h3>Across machines") < report.index(answer) < report.index(">A100 [im")
    assert report.count(NO_VERDICT_NOTE) == 1
    markdown = (out / "report.md").read_text(encoding="utf-8")
    assert markdown.index("## Across machines") < markdown.index(answer)
    assert markdown.index(answer) < markdown.index("## A100: against attention=math")
    assert markdown.count(NO_VERDICT_NOTE) == 1
