"""What notebooks call: ``load`` records, ``compare`` cells, ``plot`` a chart.

May import ``charts`` and every room below.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from analysis.comparison import deltas as comparison
from analysis.errors import AnalysisError
from analysis.ingest.cells import summarise
from analysis.ingest.rounds import load_records
from analysis.ingest.rows import RoundRow
from analysis.rows import to_frame

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: A column that only tables of this kind have.
_OF_ROUNDS, _OF_CELLS, _OF_DELTAS = "iterations_s", "runs", "comparison"


@dataclass(frozen=True, slots=True)
class Plot:
    """A drawn chart: a notebook displays it, ``save`` writes it to a file.

    ``figure`` is the Matplotlib figure, ``caption`` the text below it, ``alt`` the chart in words.
    """

    figure: Figure
    caption: str
    alt: str

    def save(self, path: Path | str) -> None:
        """Write the chart in the format of the file name: ``.png``, ``.svg`` or ``.pdf``."""
        self._write(path)

    def _repr_png_(self) -> bytes:
        page = io.BytesIO()
        self._write(page, format="png")
        return page.getvalue()

    def _write(self, where: Path | str | io.BytesIO, **settings: Any) -> None:
        from analysis.charts.kinds.sheet import silence_fonts

        with silence_fonts():
            self.figure.savefig(where, **settings)


def load(
    *places: Path | str | pd.DataFrame, on_left_out: Callable[[str], None] | None = None
) -> pd.DataFrame:
    """The rounds of sweeps, one row each, with the columns of `analysis.ingest.rows.RoundRow`.

    ``places`` are folders of one or more sweeps, bundles, or tables that ``sd_bench.run`` returned;
    the default is ``multirun_outputs``. ``runtime_s`` and all other times are in seconds,
    ``peak_bytes`` in bytes; unknown values are NaN. A record that cannot be used is left out, with
    a warning, or ``on_left_out`` is called with the line. Raises AnalysisError if there is no
    record.
    """
    folders = [folder for place in places or ("multirun_outputs",) for folder in _folders(place)]
    if on_left_out is None:
        return load_records(*folders)
    return load_records(*folders, on_left_out=on_left_out)


def compare(
    table: pd.DataFrame, baseline: str | None = None, margin: float | None = None
) -> pd.DataFrame:
    """Every cell against its baseline, with the columns of `analysis.comparison.rows.DeltaRow`.

    ``table`` is what ``load``, ``summarise`` or ``sd_bench.run`` returned. ``baseline`` names a
    preset, or an axis with a value (``attention=math``); without it each machine has its default
    baseline. ``speedup`` is baseline / cell, with its 95 % interval in ``speedup_low`` and
    ``speedup_high``; ``improvement_percent`` is positive where the cell is faster; ``verdict`` says
    whether that is more than chance. Two cells within the share ``margin`` of each other count as
    the same (default: as planned, or 0.01). Raises AnalysisError if no cell matches the baseline.
    """
    cells = table if _OF_CELLS in table.columns else summarise(_rounds(table))
    return comparison.compare(cells, baseline, margin)


def plot(table: pd.DataFrame, chart: str | None = None) -> Plot:
    """One of the report's charts for these cells: the first one, or the one named ``chart``.

    ``table`` is what ``compare``, ``load`` or ``sd_bench.run`` returned; charts of single rounds
    need one of the latter two. Raises AnalysisError for an unknown chart; the message lists the
    charts that exist.
    """
    from analysis.charts.select.all_groups import select_charts

    rounds = to_frame([], RoundRow) if _OF_DELTAS in table.columns else _rounds(table)
    deltas = table if _OF_DELTAS in table.columns else compare(rounds)
    charts = select_charts(rounds, deltas)
    name = next(iter(charts), "") if chart is None else chart
    if name not in charts:
        there = f"there are {', '.join(charts)}" if charts else "nothing was measured"
        raise AnalysisError(f"no chart {chart or 'of these cells'}: {there}")
    found = charts[name]
    return Plot(found.draw(), " ".join(found.caption), found.alt())


def _rounds(table: pd.DataFrame) -> pd.DataFrame:
    return table if _OF_ROUNDS in table.columns else load(table)


def _folders(place: Path | str | pd.DataFrame) -> Sequence[Path | str]:
    """The folders that a table came from, or the one that ``place`` names.

    Raises AnalysisError.
    """
    if not isinstance(place, pd.DataFrame):
        return [place]
    if "sweep_folder" not in place.columns:
        raise AnalysisError(
            "this table has no column sweep_folder: give one of sd_bench.run or analysis.load"
        )
    return list(dict.fromkeys(place["sweep_folder"]))
