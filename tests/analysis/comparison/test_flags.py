"""Signs beside doubtful numbers, and which cells are bold."""

from __future__ import annotations

import math
from typing import Any

import pytest

from analysis.comparison.flags import add_flags, explain
from analysis.comparison.rows import DeltaRow
from tests.support.rows import row_of


def cell(mean_s: float, /, half_width: float = 0.1, **changes: Any) -> DeltaRow:
    columns = {
        "status": "ok",
        "kernel_proof": "proven",
        "parity_ok": True,
        "mean_s": mean_s,
        "ci_low_s": mean_s - half_width,
        "ci_high_s": mean_s + half_width,
        "model_version": "sd2",
        "speedup": 1.2,
        "baseline_proof": "proven",
        "verdict": "faster",
    }
    return row_of(DeltaRow, **columns | changes)


def best(*rows: DeltaRow) -> list[bool]:
    add_flags(list(rows))
    return [row.best for row in rows]


@pytest.mark.parametrize(
    ("changes", "flags"),
    [
        ({}, ""),
        ({"kernel_proof": "missed"}, "†"),
        ({"kernel_proof": "none"}, "†"),
        ({"kernel_proof": "unproven"}, "◊"),
        ({"parity_ok": False}, "‡"),
        ({"parity_ok": None}, ""),
        ({"kernel_proof": "none", "parity_ok": False}, "†‡"),
        ({"throttled": 1}, "§"),
        ({"drift_rounds": 0.03}, "~"),
        ({"drift_iterations": -0.03}, "~"),
        ({"throttled": 2, "drift_rounds": 0.03, "parity_ok": False}, "‡§~"),
        ({"status": "oom", "kernel_proof": "none"}, ""),
    ],
)
def test_what_is_doubtful_is_flagged(changes: dict[str, Any], flags: str) -> None:
    row = cell(1.0, **changes)
    add_flags([row])
    assert row.flags == flags


def test_each_sign_is_explained_once_and_only_if_it_is_there() -> None:
    assert explain(["", "†", "†"]) == [
        "† the attention kernels that ran are not proven to be the ones named."
    ]
    assert [text[0] for text in explain(["‡", "†‡"])] == ["†", "‡"]
    assert explain([""]) == []


def test_the_fastest_with_a_separate_interval_is_bold() -> None:
    assert best(cell(2.0), cell(1.0), cell(3.0)) == [False, True, False]


@pytest.mark.parametrize(
    "doubt",
    [
        {"kernel_proof": "missed"},
        {"kernel_proof": "none"},
        {"parity_ok": False},
        {"status": "failed", "mean_s": math.nan, "speedup": math.nan},
    ],
)
def test_a_doubtful_cell_is_never_bold(doubt: dict[str, Any]) -> None:
    assert best(cell(2.0), cell(1.0, **doubt), cell(3.0)) == [True, False, False]


def test_a_cell_whose_kernels_cannot_be_seen_is_flagged_and_may_be_the_fastest() -> None:
    unseen = cell(1.0, kernel_proof="unproven")
    assert best(cell(2.0), unseen, cell(3.0)) == [False, True, False]
    assert unseen.flags == "◊"
    assert explain(["◊"]) == [
        "◊ unproven: the attention kernels that ran cannot be seen, and the cell names none."
    ]


def test_nothing_is_bold_where_a_cell_of_unknown_parity_may_be_faster() -> None:
    assert best(cell(2.0), cell(1.0, parity_ok=None), cell(3.0)) == [False, False, False]
    overlapping = cell(2.2, half_width=0.3, parity_ok=None)
    assert best(cell(2.0), overlapping, cell(3.0)) == [False, False, False]
    assert best(cell(2.0), cell(3.0, parity_ok=None)) == [True, False]


def test_what_is_slower_than_its_baseline_is_not_bold() -> None:
    assert best(cell(1.0, verdict="slower"), cell(2.0, verdict="slower")) == [False, False]


@pytest.mark.parametrize(
    ("changes", "baseline_flags"),
    [
        ({}, ""),
        ({"baseline_proof": "missed"}, "¶"),
        ({"baseline_proof": "none"}, "¶"),
        ({"baseline_proof": "unproven"}, ""),
        ({"parity_ok": None}, "?"),
        ({"baseline_proof": "none", "parity_ok": None}, "¶?"),
        ({"parity_ok": None, "speedup": math.nan}, ""),
        ({"baseline_proof": "none", "is_baseline": True, "speedup": 1.0}, ""),
    ],
)
def test_what_is_doubtful_about_the_baseline_is_a_sign_of_the_comparison(
    changes: dict[str, Any], baseline_flags: str
) -> None:
    row = cell(1.0, **changes)
    add_flags([row])
    assert (row.baseline_flags, row.flags) == (baseline_flags, "")


def test_overlapping_intervals_leave_nothing_bold() -> None:
    assert best(cell(1.0, half_width=0.6), cell(2.0, half_width=0.6)) == [False, False]


def test_one_round_is_never_bold() -> None:
    assert best(cell(1.0, half_width=math.nan), cell(2.0, half_width=math.nan)) == [False, False]


def test_a_cell_alone_is_not_bold() -> None:
    assert best(cell(1.0), cell(2.0, batch_size=2), cell(3.0, machine="h100")) == [False] * 3
