"""The charts of one quantity per cell: rate, time per step, memory, energy."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

import pandas as pd

from analysis.charts.kinds.bars import Bar, BarChart
from analysis.charts.kinds.base import Chart
from analysis.charts.kinds.lines import LineChart, Point
from analysis.charts.select.captions import explain_signs, make_caption, note_origin
from analysis.comparison.rows import DeltaRow
from analysis.rows import first_row, list_rows
from analysis.series import order_series
from analysis.wording.cell_names import describe_workload
from sd_bench.verdicts.axes import order_values


class _Range(NamedTuple):
    """A value with its interval; without one both ends equal the value."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Measure:
    """A quantity of every cell: lines over batch sizes, or bars if there is only one size."""

    title: str
    y_label: str
    caption: str
    range_of: Callable[[DeltaRow], _Range]


def chart_throughput(cells: pd.DataFrame, colours: dict[str, str]) -> Chart | None:
    """Images per second; ``None`` if no cell has a rate."""

    def range_of(row: DeltaRow) -> _Range:
        rate, mean_s = row.images_per_s, row.mean_s
        if math.isnan(row.ci_low_s) or row.ci_low_s <= 0:
            return _Range(rate, rate, rate)
        return _Range(rate, rate * mean_s / row.ci_high_s, rate * mean_s / row.ci_low_s)

    measure = _Measure(
        title="Images per second",
        y_label="Images per second",
        caption="Higher is better. All images of the timed iterations divided by their time, with "
        "the 95 % interval.",
        range_of=range_of,
    )
    return _measure_cells(cells, colours, measure)


def chart_step_time(cells: pd.DataFrame, colours: dict[str, str]) -> Chart | None:
    """Seconds per sampler step; ``None`` if unknown for all cells."""
    measure = _Measure(
        title="Time of a sampler step",
        y_label="Time of a step [s]",
        caption="Lower is better. Median step of a round, mean over rounds.",
        range_of=_plain("step_s"),
    )
    return _measure_cells(cells, colours, measure)


def chart_memory(cells: pd.DataFrame, colours: dict[str, str]) -> Chart | None:
    """Peak memory in GiB; ``None`` if unknown for all cells."""
    kinds = ", ".join(sorted(set(cells["memory_kind"]) - {""}))
    measure = _Measure(
        title="Peak memory",
        y_label="Peak memory [GiB]",
        caption=f"Lower is better. Peak memory {kinds}, mean over rounds.",
        range_of=_plain("peak_bytes", 2**30),
    )
    return _measure_cells(cells, colours, measure)


def chart_energy(cells: pd.DataFrame, colours: dict[str, str]) -> Chart | None:
    """Joules per image; ``None`` if unknown for all cells."""
    measure = _Measure(
        title="Energy per image",
        y_label="Energy per image [J]",
        caption="Lower is better. The device's own counter over the timed iterations, mean over "
        "rounds.",
        range_of=_plain("joules_per_image"),
    )
    return _measure_cells(cells, colours, measure)


def _plain(column: str, unit: float = 1.0) -> Callable[[DeltaRow], _Range]:
    return lambda row: _Range(*3 * (row[column] / unit,))


def _measure_cells(cells: pd.DataFrame, colours: dict[str, str], measure: _Measure) -> Chart | None:
    """Lines over batch sizes, or bars if there is one size; ``None`` if nothing is known."""
    rows = list_rows(cells, DeltaRow)
    known = cells[[not math.isnan(measure.range_of(row).value) for row in rows]]
    if not len(known):
        return None
    sizes = set(known["batch_size"])
    if len(sizes) > 1 and not any(isinstance(size, str | None) for size in sizes):
        return _over_batch_sizes(known, colours, measure)
    bars = [_bar(row, measure.range_of(row)) for row in list_rows(known, DeltaRow)]
    return make_bars(known, colours, measure.title, measure.y_label, bars, measure.caption)


def _bar(row: DeltaRow, found: _Range) -> Bar:
    text = f"{found.value:.3g}{row.flags}"
    if found.low == found.high:
        return Bar(value=found.value, text=text)
    return Bar(value=found.value, text=text, low=found.low, high=found.high)


def _over_batch_sizes(cells: pd.DataFrame, colours: dict[str, str], measure: _Measure) -> LineChart:
    lines: dict[str, list[Point]] = {}
    flags: dict[str, str] = {}
    rows_by_series: dict[str, list[DeltaRow]] = defaultdict(list)
    for row in list_rows(cells, DeltaRow):
        rows_by_series[str(row.series)].append(row)
    for series in order_series(cells):
        rows = rows_by_series[series]
        lines[series] = [
            Point(row.batch_size, *measure.range_of(row))
            for row in rows
            if isinstance(row.batch_size, int | float)
        ]
        flags[series] = "".join(dict.fromkeys("".join(row.flags for row in rows)))
    return LineChart(
        title=f"{measure.title} {name_place(cells)}",
        x_label="Batch size [images]",
        y_label=measure.y_label,
        lines=lines,
        colours={name: colours[name] for name in lines},
        flags=flags,
        caption=make_caption(measure.caption, explain_signs(flags.values())),
        origin=note_origin(cells),
    )


def name_place(cells: pd.DataFrame) -> str:
    """The machine and workload of the cells for a title."""
    first = first_row(cells, DeltaRow)
    return f"on {first.machine}: {describe_workload(first)}"


def make_bars(
    cells: pd.DataFrame,
    colours: dict[str, str],
    name: str,
    y_label: str,
    bars: Iterable[Bar],
    caption: str,
) -> BarChart:
    """The bar of each cell of one machine and workload, over batch sizes."""
    rows = list_rows(cells, DeltaRow)
    return BarChart(
        title=f"{name} {name_place(cells)}",
        x_label="Batch size [images]",
        y_label=y_label,
        groups=[str(size) for size in order_values("batch_size", cells["batch_size"])],
        series=order_series(cells),
        colours=colours,
        bars={(str(row.batch_size), row.series): bar for row, bar in zip(rows, bars, strict=True)},
        caption=make_caption(caption, explain_signs(cells["flags"])),
        origin=note_origin(cells),
    )
