"""Charts of what was measured besides the runtime, one per machine and workload."""

from __future__ import annotations

import math
from collections.abc import Callable

import pandas as pd

from analysis.charts.colours import colour_series
from analysis.charts.kinds.bars import Bar, BarChart
from analysis.charts.kinds.base import Chart
from analysis.charts.kinds.roofline import Roofline
from analysis.charts.kinds.stacks import StackChart
from analysis.charts.select.captions import note_origin
from analysis.charts.select.file_names import find_unused, name_file
from analysis.charts.select.quantities import (
    chart_energy,
    chart_memory,
    chart_step_time,
    chart_throughput,
    make_bars,
    name_place,
)
from analysis.comparison.compile_gain import GainRow, list_compile_gains
from analysis.comparison.rows import DeltaRow
from analysis.once import once
from analysis.rows import first_row, keep_measured, list_rows
from analysis.series import order_series
from sd_bench.verdicts.axes import WORKLOAD_AXES, order_values

_STAGES = {
    "text encoder": "text_encode_s",
    "denoising": "denoise_s",
    "autoencoder": "vae_decode_s",
}


def select_measure_charts(deltas: pd.DataFrame) -> dict[str, Chart]:
    """The charts by file name without suffix; charts without any known value are left out."""
    colours = colour_series(order_series(deltas))
    charts: dict[str, Chart] = {}
    for begin, make in MEASURE_CHARTS.items():
        for cells in _split_workloads(deltas):
            chart = make(cells, colours)
            if chart is not None:
                first = first_row(cells, DeltaRow)
                stem = name_file(f"{begin}_{first.machine}", first, deltas)
                charts[find_unused(stem, charts)] = chart
    return charts


@once
def _split_workloads(deltas: pd.DataFrame) -> list[pd.DataFrame]:
    """The measured cells of each machine and workload."""
    place = ["machine", *WORKLOAD_AXES]
    return [c for _, c in keep_measured(deltas).groupby(place, sort=False, dropna=False)]


def _stages(cells: pd.DataFrame, colours: dict[str, str]) -> StackChart | None:
    known = cells[cells["denoise_s"].notna()]
    if not len(known):
        return None
    return StackChart(
        title=f"Stages of an iteration {name_place(cells)}",
        x_label="Seconds of an iteration",
        bars={
            _name_bar(row): {stage: row[column] for stage, column in _STAGES.items()}
            for row in list_rows(known, DeltaRow)
        },
        gaps={
            _name_bar(row): "one call, without stages"
            for row in list_rows(cells[cells["denoise_s"].isna()], DeltaRow)
            if row.iterations  # old files have sums only
        },
        caption=["Means over rounds and timed iterations."],
        origin=note_origin(known),
    )


def _name_bar(row: DeltaRow) -> str:
    return f"{row.series}, batch {row.batch_size}"


def _break_even(cells: pd.DataFrame, colours: dict[str, str]) -> BarChart | None:
    gains = list_compile_gains(cells)
    if not len(gains):
        return None

    def bar(row: GainRow) -> Bar:
        images = row.images
        gap = row.reason if math.isnan(images) else ""
        return Bar(value=images, text="" if gap else f"{math.ceil(images)}{row.flags}", gap=gap)

    caption = "Extra time of the first UNet call divided by the time saved per image."
    bars = [bar(row) for row in list_rows(gains, GainRow)]
    return make_bars(
        gains, colours, "Images until compile time is recovered", "Images", bars, caption
    )


def _efficiency(cells: pd.DataFrame, colours: dict[str, str]) -> BarChart | None:
    if cells["iteration_flop"].isna().all():
        return None

    def bar(row: DeltaRow) -> Bar:
        if math.isnan(row.iteration_flop):
            return Bar(gap="operations not counted")
        if math.isnan(row.peak_flop_per_s):
            return Bar(gap="peak unknown")
        share = row.peak_percent
        text = f"{share:.0f}" if share >= 10 else f"{share:.1f}"
        return Bar(value=share, text=f"{text}{row.flags}")

    caption = (
        "Counted operations of an iteration divided by its median time and the datasheet's peak "
        "for the "
        "precision (autocast: fp16)."
    )
    bars = [bar(row) for row in list_rows(cells, DeltaRow)]
    if all(bar.gap for bar in bars):
        return None
    return make_bars(
        cells, colours, "Share of the device's peak FLOP/s", "% of peak", bars, caption
    )


def _roofline(cells: pd.DataFrame, colours: dict[str, str]) -> Roofline | None:
    known = cells[
        cells["iteration_flop"].notna()
        & cells["peak_flop_per_s"].notna()
        & cells["bandwidth_byte_per_s"].notna()
    ]
    if not len(known):
        return None
    size = order_values("batch_size", known["batch_size"])[-1]
    rows = list_rows(known[known["batch_size"] == size], DeltaRow)
    return Roofline(
        title=f"Roofline {name_place(cells)}, batch size {size}",
        achieved={str(row.series): 1e12 * row.tflop_per_s for row in rows},
        peaks={str(row.precision): row.peak_flop_per_s for row in rows},
        bandwidth=rows[0].bandwidth_byte_per_s,
        colours=colours,
        caption=[
            "Bytes are not measured: a cell lies on its mark or to the right of it. "
            "Peak and bandwidth are the datasheet's."
        ],
        origin=note_origin(known),
    )


def _kernels(cells: pd.DataFrame, colours: dict[str, str]) -> StackChart | None:
    rows = [row for row in list_rows(cells, DeltaRow) if row.profile and any(row.profile.values())]
    if not rows:
        return None
    return StackChart(
        title=f"Where a step's time goes {name_place(cells)}",
        x_label="Seconds of one sampler step, under the profiler",
        bars={_name_bar(row): _spell(row.profile or {}) for row in rows},
        caption=["By class of kernel; idle is the time without a kernel."],
        origin=note_origin(cells),
    )


def _spell(profile: dict[str, float]) -> dict[str, float]:
    return {name.replace("_", " "): seconds for name, seconds in profile.items()}


#: The function that makes each chart, by the beginning of its file name, in the order of the
#: report.
MEASURE_CHARTS: dict[str, Callable[[pd.DataFrame, dict[str, str]], Chart | None]] = {
    "images_per_second": chart_throughput,
    "stages": _stages,
    "step_time": chart_step_time,
    "peak_memory": chart_memory,
    "energy_per_image": chart_energy,
    "compile_break_even": _break_even,
    "efficiency": _efficiency,
    "roofline": _roofline,
    "kernels": _kernels,
}
