"""The bar charts of runtimes: over batch sizes, and over GPUs as in the published study."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import pandas as pd

from analysis.charts.colours import colour_series
from analysis.charts.kinds.bars import Bar, BarChart
from analysis.charts.select.captions import (
    count_means,
    explain_signs,
    make_caption,
    note_origin,
)
from analysis.charts.select.claims import name_verdict
from analysis.charts.select.file_names import find_unused, name_file
from analysis.formatting import seconds
from analysis.rows import first_row, keep_measured, list_rows, varies
from analysis.series import order_series
from analysis.truncation import cut, shorten_kinds
from analysis.wording.answers import AnsweredRow, add_answers
from analysis.wording.cell_names import describe_workload
from analysis.wording.notes import name_value
from sd_bench.verdicts.axes import AXES, WORKLOAD_AXES, order_values

#: Characters of a reason shown in a gap; tables show more, the CSV files all of it.
_LONGEST_GAP = 70

#: Shown in the gap of a cell that is not in the sweep.
_NOT_RUN = "not run"


def select_runtime_charts(deltas: pd.DataFrame) -> dict[str, BarChart]:
    """The charts by file name without suffix; those without any measured bar are left out.

    One chart per machine and workload over batch sizes and, if there are several machines, one
    chart per batch size over machines, as published.
    """
    deltas = add_answers(deltas)
    colours = colour_series(order_series(deltas))
    charts: dict[str, BarChart] = {}
    for x_axis, other in (("batch_size", "machine"), ("machine", "batch_size")):
        for cells in _split(deltas, [*WORKLOAD_AXES, other]):
            measured = keep_measured(cells)
            if len(measured) and (other == "machine" or varies(measured, "machine")):
                stem = find_unused(_stem(cells, deltas, other), charts)
                charts[stem] = _chart(cells, x_axis, other, colours)
    return charts


def _split(deltas: pd.DataFrame, axes: list[str]) -> Iterator[pd.DataFrame]:
    for _, cells in deltas.groupby(axes, sort=False, dropna=False):
        yield cells


def _chart(cells: pd.DataFrame, x_axis: str, other: str, colours: dict[str, str]) -> BarChart:
    rows = list_rows(cells, AnsweredRow)
    first = rows[0]
    groups = _groups(cells, x_axis)
    series = order_series(cells)
    gaps = shorten_kinds((str(row.reason) for row in rows if row.status != "ok"), _LONGEST_GAP)
    bars = {(str(row[x_axis]), str(row.series)): _bar(row, gaps) for row in rows}
    for group in groups:
        for each in series:
            bars.setdefault((group, each), Bar(gap=_NOT_RUN))
    name = name_value(cells)
    where = f"on {first[other]}" if other == "machine" else f"at batch size {first[other]}"
    return BarChart(
        title=f"{name} {where}: {_workload(cells)}",
        x_label="Batch size [images]" if x_axis == "batch_size" else "Device",
        y_label=f"{name} of a round [s]",
        groups=groups,
        series=series,
        colours=colours,
        bars=bars,
        caption=_caption(cells, bars.values()),
        origin=note_origin(cells),
    )


def _groups(cells: pd.DataFrame, x_axis: str) -> list[str]:
    values = order_values(x_axis, cells[x_axis]) if x_axis in AXES else dict.fromkeys(cells[x_axis])
    return [str(value) for value in values]


def _bar(row: AnsweredRow, gaps: dict[str, str]) -> Bar:
    if row.status != "ok":
        return Bar(gap=gaps[str(row.reason)])
    return Bar(
        value=row.mean_s,
        text=f"{seconds(row.mean_s)}{row.flags}",
        low=row.ci_low_s,
        high=row.ci_high_s,
        verdict=name_verdict(row),
    )


def _workload(cells: pd.DataFrame) -> str:
    """The workload that all bars share."""
    shared = [axis for axis in ("sampler", "precision") if not varies(cells, axis)]
    return describe_workload(first_row(cells, AnsweredRow), *shared)


def _caption(cells: pd.DataFrame, bars: Collection[Bar]) -> list[str]:
    measured = keep_measured(cells)
    words = any(bar.verdict for bar in bars)
    reasons = dict.fromkeys(bar.gap for bar in bars if bar.gap not in ("", _NOT_RUN))
    return make_caption(
        f"Lower is better. {count_means(measured)}",
        f"The word above a bar is its verdict against {measured['baseline_series'].iloc[0]}."
        if words
        else "",
        explain_signs(measured["flags"]),
        f"{cut('; '.join(reasons), _LONGEST_GAP)}." if reasons else "",
    )


def _stem(cells: pd.DataFrame, deltas: pd.DataFrame, other: str) -> str:
    first = first_row(cells, AnsweredRow)
    over_sizes = f"runtime_by_batch_size_{first.machine}"
    over_gpus = f"runtime_by_gpu_n_samples_{first.batch_size}"
    return name_file(over_sizes if other == "machine" else over_gpus, first, deltas)
