"""When compiling has paid: after how many images the time it took is won back."""

from __future__ import annotations

import math
from typing import NamedTuple

import pandas as pd

from analysis.comparison.deltas import compare, name_cell
from analysis.rows import Row, list_rows


class BreakEven(NamedTuple):
    """``images`` until compiling has paid; NaN with the ``reason`` in words."""

    images: float
    reason: str


def compute_break_even(compiled: Row, eager: Row) -> BreakEven:
    """From the first UNet call of both (it holds the compilation) and their images a second.

    The same cell in all but the compile mode is ``eager``.
    """
    extra_s = compiled["first_call_s"] - eager["first_call_s"]
    saved_s = 1 / eager["images_per_s"] - 1 / compiled["images_per_s"]
    if math.isnan(extra_s) or math.isnan(saved_s):
        return BreakEven(math.nan, "first call not timed")
    if "warm" in compiled["compile_cache"]:
        return BreakEven(math.nan, "its compilation was cached")
    if saved_s <= 0:
        return BreakEven(math.nan, "never: not faster")
    return BreakEven(max(0.0, extra_s / saved_s), "")


def list_compile_gains(cells: pd.DataFrame) -> pd.DataFrame:
    """One row a measured compiled cell with its ``images`` to break even, and the ``reason``.

    Empty if none has a partner that is equal in all but ``compile=off``.
    """
    measured = cells[cells["status"] == "ok"]
    if "off" not in set(measured["compile"]) or measured["compile"].nunique() < 2:
        return cells.iloc[:0].assign(images=math.nan, reason="")
    deltas = compare(cells, "compile=off")
    eager = {name_cell(row): row for row in list_rows(deltas)}
    rows = []
    for row in list_rows(deltas[deltas["speedup"].notna()]):
        if not row["is_baseline"]:
            found = compute_break_even(row, eager[row["baseline_cell"]])
            rows.append(row | {"images": found.images, "reason": found.reason})
    return pd.DataFrame(rows, columns=[*deltas.columns, "images"])
