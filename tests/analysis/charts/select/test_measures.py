"""The charts of what was measured besides the runtime, with numbers worked out by hand."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec import structs

from analysis import compare, load_records, summarise
from analysis.charts.kinds.bars import BarChart
from analysis.charts.kinds.base import Chart
from analysis.charts.kinds.lines import LineChart
from analysis.charts.kinds.roofline import Roofline
from analysis.charts.kinds.stacks import StackChart
from analysis.charts.select.measures import select_measure_charts
from analysis.charts.select.runs import select_run_charts
from analysis.comparison.compile_gain import compute_break_even
from analysis.ingest.rows import CellRow
from sd_bench.records import Energy, Flops, Memory, Profile, Times
from tests.support.records import sample_record, sample_times, write_main_sweep, write_sample
from tests.support.rows import row_of

GPU = {"gpu": {"peak_tflops": {"fp16": 100.0, "fp32": 20.0}, "bandwidth_gb_per_s": 500}}


def charts_of(root: Path) -> dict[str, Chart]:
    return select_measure_charts(compare(summarise(load_records(root))))


def chart(root: Path, begin: str) -> Any:
    charts = charts_of(root)
    (stem,) = (stem for stem in charts if stem.startswith(f"{begin}_EPYC"))
    return charts[stem]


def times(runtime_s: float, first_call_s: float) -> Times:
    return structs.replace(sample_times(runtime_s), first_call_s=first_call_s)


def work(flop: float) -> Flops:
    return Flops(unet_call=flop / 10, text_encode=0.0, vae_decode=0.0, iteration=flop)


def test_images_per_second_are_lines_over_batch_sizes(tmp_path: Path) -> None:
    lines = chart(write_main_sweep(tmp_path), "images_per_second")
    assert isinstance(lines, LineChart)
    flash = lines.lines["flash"]
    assert [point.x for point in flash] == [1, 2, 4]
    assert [point.y for point in flash] == pytest.approx([1 / 2.1] * 3)
    assert all(point.low < point.y < point.high for point in flash)
    assert "flash: 0.4762 at 1, 0.4762 at 2" in lines.alt()
    (axes,) = lines.draw().axes
    assert axes.get_ylim()[0] == 0
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["1", "2", "4"]


WITH_ONE_SIZE = {"images_per_second", "stages", "step_time", "peak_memory"}


def begins_of(root: Path) -> set[str]:
    return {stem.split("_EPYC")[0] for stem in charts_of(root)}


def test_one_batch_size_makes_bars_with_units(tmp_path: Path) -> None:
    energy = Energy(joules=80.0, joules_per_image=40.0, source="nvml", notes={})
    for attention, runtime_s in (("math", 4.0), ("flash", 2.0)):
        record = sample_record(runtime_s, attention=attention, extra={"energy": energy})
        write_sample(tmp_path, record)
    assert begins_of(tmp_path) == {*WITH_ONE_SIZE, "energy_per_image"}
    found = {
        begin: chart(tmp_path, begin)
        for begin in ("images_per_second", "step_time", "peak_memory", "energy_per_image")
    }
    assert all(isinstance(each, BarChart) for each in found.values())
    assert {begin: each.y_label for begin, each in found.items()} == {
        "images_per_second": "Images per second",
        "step_time": "Time of a step [s]",
        "peak_memory": "Peak memory [GiB]",
        "energy_per_image": "Energy per image [J]",
    }
    values = {begin: each.bars["1", "flash"].value for begin, each in found.items()}
    assert values == pytest.approx(
        {
            "images_per_second": 0.5,
            "step_time": 0.4,
            "peak_memory": 2.4e9 / 2**30,
            "energy_per_image": 40.0,
        }
    )


def test_the_interval_of_a_rate_is_that_of_its_time(tmp_path: Path) -> None:
    for round_index, runtime_s in enumerate((2.0, 2.1, 1.9)):
        write_sample(tmp_path, sample_record(runtime_s, round_index=round_index))
    bar = chart(tmp_path, "images_per_second").bars["1", "flash"]
    half_width = 4.303 * 0.1 / math.sqrt(3)
    assert (bar.low, bar.high) == pytest.approx(
        (0.5 * 2 / (2 + half_width), 0.5 * 2 / (2 - half_width)), rel=1e-3
    )


def test_energy_is_a_line_over_batch_sizes(tmp_path: Path) -> None:
    for size in (1, 2):
        energy = Energy(joules=80.0, joules_per_image=40.0 / size, source="nvml", notes={})
        write_sample(tmp_path, sample_record(1.0, batch_size=size, extra={"energy": energy}))
    lines = chart(tmp_path, "energy_per_image")
    assert [point.y for point in lines.lines["flash"]] == [40.0, 20.0]
    assert lines.y_label == "Energy per image [J]"


def test_stages_add_up_to_the_iteration(tmp_path: Path) -> None:
    stacks = chart(write_main_sweep(tmp_path), "stages")
    assert isinstance(stacks, StackChart)
    bar = stacks.bars["flash, batch 4"]
    assert bar == pytest.approx({"text encoder": 0.84, "denoising": 6.72, "autoencoder": 0.84})
    (axes,) = stacks.draw().axes
    to_data = axes.transData.inverted()
    widths = [patch.get_extents().transformed(to_data) for patch in axes.patches]
    assert sum(box.width for box in widths) == pytest.approx(
        sum(2.1 * b + 2.6 * b for b in (1, 2, 4))
    )


def test_the_devices_own_peak_memory_is_preferred(tmp_path: Path) -> None:
    for size, device in ((1, 3 * 2**30), (2, 4 * 2**30)):
        memory = Memory(
            process_peak_bytes=9 * 2**30,
            device_peak_allocated_bytes=device,
            device_peak_reserved_bytes=None,
        )
        write_sample(tmp_path, sample_record(1.0, batch_size=size, extra={"memory": memory}))
    lines = chart(tmp_path, "peak_memory")
    assert [point.y for point in lines.lines["flash"]] == [3.0, 4.0]
    assert "allocated on the device" in lines.caption[0]


def test_efficiency_is_counted_work_over_time_and_peak(tmp_path: Path) -> None:
    for precision, runtime_s in (("autocast", 1.0), ("fp32", 2.0), ("bf16", 1.0)):
        extra = {"flops": work(10e12)}
        record = sample_record(runtime_s, precision=precision, config=GPU, extra=extra)
        write_sample(tmp_path, record)
    bars = chart(tmp_path, "efficiency")
    assert isinstance(bars, BarChart)
    assert bars.bars["1", "autocast"].value == pytest.approx(10.0)
    assert bars.bars["1", "fp32"].value == pytest.approx(25.0)
    assert bars.bars["1", "bf16"].gap == "peak unknown"


def test_without_a_peak_there_is_no_efficiency_and_no_roofline(tmp_path: Path) -> None:
    write_sample(tmp_path, sample_record(1.0, extra={"flops": work(10e12)}))
    assert begins_of(tmp_path) == WITH_ONE_SIZE


def test_the_roofline_bounds_the_intensity_from_below(tmp_path: Path) -> None:
    extra = {"flops": work(10e12)}
    write_sample(tmp_path, sample_record(2.0, precision="autocast", config=GPU, extra=extra))
    roof = chart(tmp_path, "roofline")
    assert isinstance(roof, Roofline)
    assert roof.achieved == {"flash": 5e12}
    assert (roof.peaks, roof.bandwidth) == ({"autocast": 100e12}, 500e9)
    (axes,) = roof.draw().axes
    (mark,) = (line for line in axes.lines if line.get_marker() == ">")
    assert np.asarray(mark.get_xdata()).tolist() == [10.0]


def test_break_even_is_when_the_saved_time_makes_up_for_the_first_call(tmp_path: Path) -> None:
    for mode, runtime_s, first_s in (("off", 4.0, 1.0), ("default", 3.0, 61.0)):
        extra = {"times": times(runtime_s, first_s)}
        write_sample(tmp_path, sample_record(compile=mode, batch_size=2, extra=extra))
    bars = chart(tmp_path, "compile_break_even")
    assert bars.bars["2", "compile default"].value == pytest.approx(60 / 0.5)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"first_call_s": math.nan}, "first call not timed"),
        ({"compile_cache": "warm"}, "its compilation was cached"),
        ({"images_per_s": 0.5}, "never: not faster"),
    ],
)
def test_why_there_is_no_break_even(changes: dict[str, Any], reason: str) -> None:
    eager = row_of(CellRow, first_call_s=1.0, images_per_s=0.5)
    compiled = {"first_call_s": 61.0, "images_per_s": 1.0, "compile_cache": "cold"} | changes
    found = compute_break_even(row_of(CellRow, **compiled), eager)
    assert math.isnan(found.images)
    assert found.reason == reason


def test_a_profile_becomes_a_stack_by_class_of_kernel(tmp_path: Path) -> None:
    profile = Profile(
        trace_file=None, step_s=0.1, seconds_by_class={"attention": 0.06, "idle": 0.04}
    )
    write_sample(tmp_path, sample_record(1.0, extra={"profile": profile}))
    write_sample(tmp_path, sample_record(1.0, round_index=1))
    stacks = chart(tmp_path, "kernels")
    assert stacks.bars == {"flash, batch 1": {"attention": 0.06, "idle": 0.04}}
    assert "attention 0.060, idle 0.040" in stacks.alt()


def test_a_profile_of_zeros_leaves_out_only_its_chart(tmp_path: Path) -> None:
    profile = Profile(trace_file=None, step_s=0.0, seconds_by_class={"gemm": 0.0})
    write_sample(tmp_path, sample_record(1.0, extra={"profile": profile}))
    assert begins_of(tmp_path) == WITH_ONE_SIZE


def test_lines_and_runs_beyond_the_palette_have_another_marker(tmp_path: Path) -> None:
    for at in range(20):
        for size in (1, 2):
            write_sample(tmp_path, sample_record(1.0, attention=f"b{at:02}", batch_size=size))
    rounds = load_records(tmp_path)
    deltas = compare(summarise(rounds))
    lines = chart(tmp_path, "images_per_second")
    runs = next(iter(select_run_charts(rounds, deltas).values()))
    for legend in (lines.draw().legends[0], runs.draw().legends[0]):
        looks = {(line.get_color(), line.get_marker()) for line in legend.get_lines()}
        assert len(looks) == 20
