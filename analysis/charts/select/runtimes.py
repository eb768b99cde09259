"""Which charts a comparison calls for, and what the runtime bar charts say."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from multiprocessing import get_context
from pathlib import Path

import pandas as pd

from analysis.charts.kinds.bars import Bar, BarChart
from analysis.charts.kinds.runs import RunChart
from analysis.charts.kinds.sheet import save
from analysis.charts.kinds.waterfall import Waterfall, waterfalls
from analysis.charts.select.file_names import clean, file_stem, unused
from analysis.charts.select.measures import Chart as CellChart
from analysis.charts.select.measures import cell_charts
from analysis.charts.select.runs import run_charts
from analysis.comparison.ablation import ablations
from analysis.comparison.flags import explain
from analysis.formatting import seconds
from analysis.series import series_colours, series_order
from analysis.truncation import kinds
from analysis.wording.notes import (
    baseline_note,
    scaled_note,
    title_words,
    value_name,
    value_words,
    varies,
)
from sd_bench.verdicts.axes import AXES, WORKLOAD_AXES, Row, in_order, rows_of
from sd_bench.verdicts.judgement import ROUNDS_FOR_A_VERDICT

#: So many charts are worth starting processes for.
_WORTH_PROCESSES = 16

#: Characters of the reason that stands in a gap; tables have more, the CSV files all.
_LONGEST_GAP = 70
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


Chart = RunChart | CellChart | Waterfall


def all_charts(rounds: pd.DataFrame, deltas: pd.DataFrame) -> dict[str, Chart]:
    """Every chart that the compared cells call for, by file name without suffix."""
    charts: dict[str, Chart] = {**bar_charts(deltas), **run_charts(rounds, deltas)}
    charts |= cell_charts(deltas)
    for name, chart in ablations(deltas).items():
        charts[unused(clean(f"one_change_at_a_time_{name}"), charts)] = chart
    for name, chart in waterfalls(deltas).items():
        charts[unused(clean(f"waterfall_{name}"), charts)] = chart
    return charts


def draw_charts(charts: dict[str, Chart], folder: Path) -> list[Path]:
    """Draw the charts into ``folder``, as PNG and SVG. Raises OSError.

    Many are shared out between processes: a chart takes half a second, a process two to start.
    """
    jobs = (charts.values(), repeat(folder), charts)
    if len(charts) < _WORTH_PROCESSES:
        drawn = list(map(_draw_one, *jobs))
    else:
        with ProcessPoolExecutor(mp_context=get_context("spawn")) as processes:
            drawn = list(processes.map(_draw_one, *jobs))
    return [path for paths in drawn for path in paths]


def _draw_one(chart: Chart, folder: Path, stem: str) -> list[Path]:
    return save(chart.draw(), folder, stem)


def bar_charts(deltas: pd.DataFrame) -> dict[str, BarChart]:
    """The charts by file name without suffix; those without a single measured bar are left out.

    One chart a machine and workload over batch sizes, and, in the published form, one chart a
    batch size over machines.
    """
    colours = series_colours(series_order(deltas))
    charts: dict[str, BarChart] = {}
    for x_axis, other in (("batch_size", "machine"), ("machine", "batch_size")):
        for cells in _split(deltas, [*WORKLOAD_AXES, other]):
            if (cells["status"] == "ok").any():
                stem = unused(_stem(cells, deltas, other), charts)
                charts[stem] = _chart(cells, x_axis, other, colours)
    return charts


def _split(deltas: pd.DataFrame, axes: list[str]) -> Iterator[pd.DataFrame]:
    for _, cells in deltas.groupby(axes, sort=False, dropna=False):
        yield cells


def _chart(cells: pd.DataFrame, x_axis: str, other: str, colours: dict[str, str]) -> BarChart:
    rows = rows_of(cells)
    first = rows[0]
    groups = _groups(cells, x_axis)
    series = series_order(cells)
    gaps = kinds((str(row["reason"]) for row in rows if row["status"] != "ok"), _LONGEST_GAP)
    bars = {(str(row[x_axis]), str(row["series"])): _bar(row, gaps) for row in rows}
    for group in groups:
        for each in series:
            bars.setdefault((group, each), Bar(gap="not run"))
    name = value_name(cells)
    where = f"on {first[other]}" if other == "machine" else f"at batch size {first[other]}"
    return BarChart(
        title=f"{name} {where}: {_workload(cells)}",
        x_label="Batch size [images]" if x_axis == "batch_size" else "GPU",
        y_label=f"{name} of a round [s]",
        groups=groups,
        series=series,
        colours=colours,
        bars=bars,
        caption=_caption(cells),
        percent_caption=f"On the bars: {name.lower()}, improvement over the baseline (positive is "
        "faster).",
    )


def _groups(cells: pd.DataFrame, x_axis: str) -> list[str]:
    values = in_order(x_axis, cells[x_axis]) if x_axis in AXES else dict.fromkeys(cells[x_axis])
    return [str(value) for value in values]


def _bar(row: Row, gaps: dict[str, str]) -> Bar:
    if row["status"] != "ok":
        return Bar(gap=gaps[str(row["reason"])])
    return Bar(
        value=row["mean_s"],
        text=f"{seconds(row['mean_s'])}{row['marks']}",
        low=row["ci_low_s"],
        high=row["ci_high_s"],
        improvement_percent=math.nan if row["is_baseline"] else row["improvement_percent"],
    )


def _workload(cells: pd.DataFrame) -> str:
    """The work that all bars have in common."""
    shared = [axis for axis in ("sampler", "precision") if not varies(cells, axis)]
    return title_words(rows_of(cells)[0], *shared)


def _caption(cells: pd.DataFrame) -> list[str]:
    measured = cells[cells["status"] == "ok"]
    return [
        f"Lower is better. {value_name(cells)}: {value_words(cells)}. "
        f"{_rounds(measured)} {baseline_note(measured)}",
        f"{_machines(measured)} {_measured_on(measured)}",
        *explain(measured["marks"]),
        *scaled_note(cells),
    ]


def _rounds(measured: pd.DataFrame) -> str:
    fewest, most = int(measured["rounds"].min()), int(measured["rounds"].max())
    if most == 1:
        return "One round, so no interval: estimates, not verdicts."
    count = str(most) if fewest == most else f"{fewest} to {most}"
    estimates = " (estimates, not verdicts)" if fewest < ROUNDS_FOR_A_VERDICT else ""
    return f"Means of {count} rounds with 95 % intervals{estimates}."


def _machines(measured: pd.DataFrame) -> str:
    """Device and versions of every machine, those with equal versions together."""
    machines: dict[str, list[str]] = defaultdict(list)
    for name, cells in measured.groupby("machine", sort=False):
        pairs = dict.fromkeys(zip(cells["torch"], cells["python"], strict=True))
        versions = "; ".join(f"PyTorch {torch} on Python {python}" for torch, python in pairs)
        machines[versions].append(f"{name} ({', '.join(dict.fromkeys(cells['device']))})")
    return " ".join(f"{', '.join(names)}: {versions}." for versions, names in machines.items())


def _measured_on(measured: pd.DataFrame) -> str:
    dates = [d for starts in measured["started_at"] for s in starts for d in _DATE.findall(s)[:1]]
    if not dates:
        return "Date unknown."
    first, last = min(dates), max(dates)
    return f"Measured {first}." if first == last else f"Measured {first} to {last}."


def _stem(cells: pd.DataFrame, deltas: pd.DataFrame, other: str) -> str:
    first: Row = rows_of(cells)[0]
    over_sizes = f"runtime_by_batch_size_{first['machine']}"
    over_gpus = f"runtime_by_gpu_n_samples_{first['batch_size']}"
    return file_stem(over_sizes if other == "machine" else over_gpus, first, deltas)
