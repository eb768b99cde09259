"""The page on efficiency: what each cell achieved, beside what its machine can."""

from __future__ import annotations

import math

import pandas as pd

from analysis.once import once
from analysis.rows import keep_measured, list_rows
from analysis.tables.columns import NOTHING, Column, amount, keep_filled, place_columns
from analysis.tables.page import Page, Table
from analysis.wording.answers import AnsweredRow

#: Marks a share above 100 %.
ABOVE = "▲"

EFFICIENCY_NOTE = (
    "TFLOP/s is the number of operations in matrix products and convolutions, which PyTorch counts "
    "on this project's networks (the same for every implementation), divided by measured time. "
    "100 % is the rate at which PyTorch multiplies large matrices on the same machine in the same "
    "dtype; the rest goes to reading and writing memory, to small shapes and to other operations."
)

ABOVE_NOTE = (
    f"{ABOVE} above the rate of matrix products on this machine: that measurement was disturbed, "
    "or the cell's library multiplies faster than PyTorch here."
)


def keep_counted(deltas: pd.DataFrame) -> pd.DataFrame:
    """The measured cells whose operations were counted."""
    measured = keep_measured(deltas)
    return measured[measured["tflop_per_s"].notna()]


@once
def make_efficiency_page(deltas: pd.DataFrame) -> Page:
    """TFLOP/s of each measured cell by stage, and its share of the machine's rate and peak.

    The page has no table if no operations were counted.
    """
    measured = keep_counted(deltas)
    rows = list_rows(measured, AnsweredRow)
    if not rows:
        return Page(title="Efficiency", tables=[])
    naming = keep_filled(place_columns(measured), rows)
    notes = [EFFICIENCY_NOTE]
    if any(row[share] > 100 for row in rows for share in ("matmul_percent", "peak_percent")):
        notes.append(ABOVE_NOTE)
    columns = [*naming, *keep_filled(_columns(), rows)]
    table = Table(
        title="Efficiency",
        headings=[column.heading for column in columns],
        rows=[[column.text(row) for column in columns] for row in rows],
        numeric=frozenset(column.heading for column in columns if column.numeric),
        num_naming=len(naming),
    )
    return Page(title="Efficiency", tables=[table], notes=notes)


def _columns() -> list[Column]:
    return [
        _rate("TFLOP/s", "tflop_per_s"),
        _rate("text encoder [TFLOP/s]", "text_encode_tflop_per_s"),
        _rate("denoising [TFLOP/s]", "denoise_tflop_per_s"),
        _rate("autoencoder [TFLOP/s]", "vae_decode_tflop_per_s"),
        _rate("matrix product [TFLOP/s]", "matmul_tflop_per_s"),
        _share("share of it", "matmul_percent"),
        _share("share of the peak", "peak_percent"),
        _share("GPU idle in a step", "gpu_idle_percent"),
    ]


def _rate(heading: str, column: str) -> Column:
    return Column(heading, lambda row: amount(row[column]), numeric=True)


def _share(heading: str, column: str) -> Column:
    return Column(heading, lambda row: _percent(row, column), numeric=True)


def _percent(row: AnsweredRow, column: str) -> str:
    value = row[column]
    if math.isnan(value):
        return NOTHING
    text = f"{value:.0f} %" if value >= 10 else f"{value:.2g} %"
    return f"{text} {ABOVE}" if value > 100 else text
