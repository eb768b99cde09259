"""Break-even: after how many images compile time is recovered."""

from __future__ import annotations

import math
from typing import NamedTuple

import pandas as pd

from analysis.comparison.deltas import compare, name_cell
from analysis.comparison.rows import DeltaRow
from analysis.ingest.rows import CellRow
from analysis.rows import keep_measured, list_rows, to_frame


class BreakEven(NamedTuple):
    """``images`` until compile time is recovered; NaN with a ``reason``."""

    images: float
    reason: str


class GainRow(DeltaRow, kw_only=True):
    """A compiled cell with its ``images`` to break even; NaN with the ``reason``."""

    images: float


def compute_break_even(compiled: CellRow, eager: CellRow) -> BreakEven:
    """After how many images compiling has paid for itself.

    Computed from the first UNet call of both cells, which includes the compilation, and from their
    images per second. ``eager`` is the cell that differs only in not being compiled.
    """
    extra_s = compiled.first_call_s - eager.first_call_s
    saved_s = 1 / eager.images_per_s - 1 / compiled.images_per_s
    if math.isnan(extra_s) or math.isnan(saved_s):
        return BreakEven(math.nan, "first call not timed")
    if "warm" in compiled.compile_cache:
        return BreakEven(math.nan, "its compilation was cached")
    if saved_s <= 0:
        return BreakEven(math.nan, "never: not faster")
    return BreakEven(max(0.0, extra_s / saved_s), "")


def list_compile_gains(cells: pd.DataFrame) -> pd.DataFrame:
    """A `GainRow` for each measured compiled cell.

    Empty if none has a partner that differs only by ``compile=off``.
    """
    measured = keep_measured(cells)
    if "off" not in set(measured["compile"]) or measured["compile"].nunique() < 2:
        return to_frame([], GainRow)
    deltas = compare(cells, "compile=off")
    eager = {name_cell(row): row for row in list_rows(deltas, DeltaRow)}
    rows = []
    for row in list_rows(deltas[deltas["speedup"].notna()], DeltaRow):
        if not row.is_baseline:
            found = compute_break_even(row, eager[row.baseline_cell])
            columns = {**row, "reason": found.reason}
            rows.append(GainRow(images=found.images, **columns))
    return to_frame(rows, GainRow)
