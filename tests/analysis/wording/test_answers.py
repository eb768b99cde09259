"""The answers of a table: the names in them, and the places of the cells."""

from __future__ import annotations

from pathlib import Path

from analysis import compare, load_records, summarise
from analysis.wording.answers import answer_rows
from sd_bench.verdicts.answers import Answer
from tests.support.records import sample_environment, write_sweep


def ten(mean_s: float) -> list[float]:
    return [mean_s * (1 + 0.005 * ((7 * at) % 10 - 4.5) / 3) for at in range(10)]


def answers(root: Path, baseline: str | None = None) -> list[Answer]:
    return answer_rows(compare(summarise(load_records(root)), baseline))


def test_each_row_has_its_answer_in_order(tmp_path: Path) -> None:
    write_sweep(tmp_path, {(1, "math"): ten(2.0), (1, "flash"): ten(1.5)}, precision="bf16")
    baseline, flash = answers(tmp_path)
    assert (baseline.word, flash.word) == ("baseline", "faster")
    assert flash.sentence == (
        "flash is 1.33 times as fast as math (fp32 inside) at batch size 1, 1.33 to 1.33; "
        "same picture within 5e-2."
    )


def test_an_answer_names_the_cell_that_was_compared_with(tmp_path: Path) -> None:
    seconds = {("math", "off"): 2.0, ("flash", "off"): 1.5, ("flash", "default"): 1.25}
    cells = {cell: ten(mean_s) for cell, mean_s in seconds.items()}
    write_sweep(tmp_path, cells, axes=("attention", "compile"))
    found = [answer.sentence for answer in answers(tmp_path, "compile=off") if answer.sentence]
    assert found == [
        "flash, compile default is 1.20 times as fast as flash at batch size 1, 1.20 to 1.20; "
        "same picture within 1e-3."
    ]


def test_where_names_are_equal_the_choice_that_differs_is_named(tmp_path: Path) -> None:
    write_sweep(
        tmp_path, {(2, "math"): ten(1.0), (4, "math"): ten(2.0)}, axes=("steps", "attention")
    )
    (answer,) = [answer for answer in answers(tmp_path) if answer.sentence]
    assert answer.sentence.startswith(
        "math takes 2.00 times as long as steps=2 at batch size 1 (4 "
    )


def test_another_picture_allows_no_claim(tmp_path: Path) -> None:
    write_sweep(
        tmp_path,
        {(1, "math"): ten(2.0), (1, "flash"): ten(1.5)},
        changes={(1, "flash"): 0.3},
    )
    _, flash = answers(tmp_path)
    assert flash.sentence == (
        "No claim on flash against math at batch size 1: they draw different pictures "
        "(distance 0.3, at most 1e-3 allowed)."
    )
    assert not flash.claims_difference


def test_cells_of_one_name_on_two_machines_are_distinguished(tmp_path: Path) -> None:
    for device in ("Xeon Gold", "EPYC 9654"):
        write_sweep(
            tmp_path,
            {(1, "math"): ten(2.0), (1, "flash"): ten(1.5)},
            environment=sample_environment(fingerprint=device, device=device),
            sweep=f"on/{device}",
        )
    found = [answer.sentence for answer in answers(tmp_path) if answer.sentence]
    assert len(found) == 2
    assert ["at batch size 1 on Xeon Gold," in sentence for sentence in found].count(True) == 1
    assert ["at batch size 1 on EPYC 9654," in sentence for sentence in found].count(True) == 1
