"""The charts of what cells measured besides their runtime, one a machine and workload each."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterator

import pandas as pd

from analysis.charts.colours import colour_series
from analysis.charts.kinds.bars import Bar, BarChart
from analysis.charts.kinds.base import Chart
from analysis.charts.kinds.lines import LineChart, Point
from analysis.charts.kinds.roofline import Roofline
from analysis.charts.kinds.stacks import StackChart
from analysis.charts.select.captions import explain_signs, make_caption, note_origin
from analysis.charts.select.file_names import find_unused, name_file
from analysis.comparison.compile_gain import list_compile_gains
from analysis.rows import Row, list_rows
from analysis.series import order_series
from analysis.wording.cell_names import describe_workload
from sd_bench.verdicts.axes import WORKLOAD_AXES, order_values

_STAGES = {
    "text encoder": "text_encode_s",
    "denoising": "denoise_s",
    "autoencoder": "vae_decode_s",
}


def select_measure_charts(deltas: pd.DataFrame) -> dict[str, Chart]:
    """The charts by file name without suffix; a chart without a known value is left out."""
    colours = colour_series(order_series(deltas))
    charts: dict[str, Chart] = {}
    for begin, make in _MAKERS.items():
        for cells in split_workloads(deltas):
            chart = make(cells, colours)
            if chart is not None:
                first = list_rows(cells)[0]
                stem = name_file(f"{begin}_{first['machine']}", first, deltas)
                charts[find_unused(stem, charts)] = chart
    return charts


def split_workloads(deltas: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """The measured cells of each machine and workload."""
    measured = deltas[deltas["status"] == "ok"]
    for _, cells in measured.groupby(["machine", *WORKLOAD_AXES], sort=False, dropna=False):
        yield cells


def name_place(cells: pd.DataFrame) -> str:
    """The machine and workload of the cells for a title."""
    first: Row = list_rows(cells)[0]
    return f"on {first['machine']}: {describe_workload(first)}"


def _throughput(cells: pd.DataFrame, colours: dict[str, str]) -> LineChart | None:
    def point(row: Row) -> Point:
        rate, mean_s = row["images_per_s"], row["mean_s"]
        if math.isnan(row["ci_low_s"]) or row["ci_low_s"] <= 0:
            return Point(row["batch_size"], rate, rate, rate)
        low, high = rate * mean_s / row["ci_high_s"], rate * mean_s / row["ci_low_s"]
        return Point(row["batch_size"], rate, low, high)

    caption = "Higher is better. All images of the timed iterations over their time, 95 % interval."
    return _over_batch_sizes(cells, colours, "Images a second", "Images/s", point, caption)


def _step_time(cells: pd.DataFrame, colours: dict[str, str]) -> LineChart | None:
    caption = "Lower is better. Median step of a round, mean over rounds."
    label = "Time of a sampler step"
    return _over_batch_sizes(cells, colours, label, "Step [s]", _plain("step_s"), caption)


def _memory(cells: pd.DataFrame, colours: dict[str, str]) -> LineChart | None:
    kinds = ", ".join(sorted(set(cells["memory_kind"]) - {""}))
    caption = f"Peak memory {kinds}, mean over rounds (1 GiB = 1024^3 bytes)."
    point = _plain("peak_bytes", 2**30)
    return _over_batch_sizes(cells, colours, "Peak memory", "Peak memory [GiB]", point, caption)


def _plain(column: str, unit: float = 1.0) -> Callable[[Row], Point]:
    def point(row: Row) -> Point:
        value = row[column] / unit
        return Point(row["batch_size"], value, value, value)

    return point


def _over_batch_sizes(
    cells: pd.DataFrame,
    colours: dict[str, str],
    name: str,
    y_label: str,
    point: Callable[[Row], Point],
    caption: str,
) -> LineChart | None:
    """Lines over batch sizes; ``None`` with a single batch size, or where nothing is known."""
    lines: dict[str, list[Point]] = {}
    flags: dict[str, str] = {}
    rows_by_series: dict[str, list[Row]] = defaultdict(list)
    for row in list_rows(cells):
        rows_by_series[str(row["series"])].append(row)
    for series in order_series(cells):
        rows = rows_by_series[series]
        points = [point(row) for row in rows if not isinstance(row["batch_size"], str | None)]
        if known := [p for p in points if not math.isnan(p.y)]:
            lines[series] = known
            flags[series] = "".join(dict.fromkeys("".join(row["flags"] for row in rows)))
    if len({p.x for points in lines.values() for p in points}) < 2:
        return None
    return LineChart(
        title=f"{name} {name_place(cells)}",
        x_label="Batch size [images]",
        y_label=y_label,
        lines=lines,
        colours=colours,
        flags=flags,
        caption=make_caption(caption, explain_signs(flags.values())),
        origin=note_origin(cells),
    )


def _stages(cells: pd.DataFrame, colours: dict[str, str]) -> StackChart | None:
    known = cells[cells["denoise_s"].notna()]
    if not len(known):
        return None
    return StackChart(
        title=f"Stages of an iteration {name_place(cells)}",
        x_label="Seconds of an iteration",
        bars={
            f"{row['series']}, batch {row['batch_size']}": {
                stage: row[column] for stage, column in _STAGES.items()
            }
            for row in list_rows(known)
        },
        caption=["Means over rounds and timed iterations."],
        origin=note_origin(known),
    )


def _break_even(cells: pd.DataFrame, colours: dict[str, str]) -> BarChart | None:
    gains = list_compile_gains(cells)
    if not len(gains):
        return None

    def bar(row: Row) -> Bar:
        images = row["images"]
        gap = row["reason"] if math.isnan(images) else ""
        return Bar(value=images, text="" if gap else f"{math.ceil(images)}{row['flags']}", gap=gap)

    caption = "Extra time of the first UNet call over the time saved an image."
    return _bars(gains, colours, "Images until compiling has paid", "Images", bar, caption)


def _efficiency(cells: pd.DataFrame, colours: dict[str, str]) -> BarChart | None:
    if cells["iteration_flop"].isna().all():
        return None

    def bar(row: Row) -> Bar:
        if math.isnan(row["iteration_flop"]):
            return Bar(gap="operations not counted")
        if math.isnan(row["peak_flop_per_s"]):
            return Bar(gap="peak unknown")
        share = 100 * achieved_flop_per_s(row) / row["peak_flop_per_s"]
        text = f"{share:.0f}" if share >= 10 else f"{share:.1f}"
        return Bar(value=share, text=f"{text}{row['flags']}")

    caption = (
        "Counted operations of an iteration over its median time and the datasheet's peak for the "
        "precision (autocast: fp16)."
    )
    if all(bar(row).gap for row in list_rows(cells)):
        return None
    return _bars(cells, colours, "Share of the device's peak FLOP/s", "% of peak", bar, caption)


def achieved_flop_per_s(row: Row) -> float:
    """FLOP/s of a whole iteration."""
    return float(row["iteration_flop"] / row["median_iteration_s"])


def _bars(
    cells: pd.DataFrame,
    colours: dict[str, str],
    name: str,
    y_label: str,
    bar: Callable[[Row], Bar],
    caption: str,
) -> BarChart:
    rows = list_rows(cells)
    return BarChart(
        title=f"{name} {name_place(cells)}",
        x_label="Batch size [images]",
        y_label=y_label,
        groups=[str(size) for size in order_values("batch_size", cells["batch_size"])],
        series=order_series(cells),
        colours=colours,
        bars={(str(row["batch_size"]), str(row["series"])): bar(row) for row in rows},
        caption=make_caption(caption, explain_signs(cells["flags"])),
        origin=note_origin(cells),
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
    rows = list_rows(known[known["batch_size"] == size])
    return Roofline(
        title=f"Roofline {name_place(cells)}, batch size {size}",
        achieved={str(row["series"]): achieved_flop_per_s(row) for row in rows},
        peaks={str(row["precision"]): row["peak_flop_per_s"] for row in rows},
        bandwidth=rows[0]["bandwidth_byte_per_s"],
        colours=colours,
        caption=[
            "Bytes are not measured: a cell lies on its mark or to the right of it. "
            "Peak and bandwidth are the datasheet's."
        ],
        origin=note_origin(known),
    )


def _kernels(cells: pd.DataFrame, colours: dict[str, str]) -> StackChart | None:
    rows = [row for row in list_rows(cells) if row["profile"] and any(row["profile"].values())]
    if not rows:
        return None
    return StackChart(
        title=f"Where a step's time goes {name_place(cells)}",
        x_label="Seconds of one sampler step, under the profiler",
        bars={f"{row['series']}, batch {row['batch_size']}": row["profile"] for row in rows},
        caption=["By class of kernel; idle is what no kernel filled."],
        origin=note_origin(cells),
    )


_MAKERS: dict[str, Callable[[pd.DataFrame, dict[str, str]], Chart | None]] = {
    "images_per_second": _throughput,
    "stages": _stages,
    "step_time": _step_time,
    "peak_memory": _memory,
    "compile_break_even": _break_even,
    "efficiency": _efficiency,
    "roofline": _roofline,
    "kernels": _kernels,
}
