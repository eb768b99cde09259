"""Which charts there are, what is on them, and what their captions say."""

from __future__ import annotations

from pathlib import Path

import pytest

from analysis import compare, load_records, summarise
from analysis.charts.drawing import drawing
from analysis.charts.kinds.bars import BarChart
from analysis.charts.select.runtimes import select_runtime_charts
from sd_bench.verdicts.axes import PUBLISHED_PRESETS
from tests.support.records import (
    PRESETS,
    sample_environment,
    sample_record,
    write_main_sweep,
    write_sample,
    write_sweep,
)


def charts_of(root: Path, baseline: str | None = None) -> dict[str, BarChart]:
    return select_runtime_charts(compare(summarise(load_records(root)), baseline))


def write_gpu(root: Path, gpu: str, torch: str = "2.15.0", **changes: object) -> None:
    environment = sample_environment(gpu + torch, device=f"NVIDIA {gpu.upper()}", torch=torch)
    for number, name in enumerate(PRESETS):
        record = sample_record(
            10.0 - number,
            gpu=gpu,
            preset=name,
            environment=environment,
            **(PRESETS[name] | changes),
        )
        write_sample(root, record)


def test_one_machine_has_one_chart_over_batch_sizes_and_none_by_device(tmp_path: Path) -> None:
    charts = charts_of(write_main_sweep(tmp_path))
    assert list(charts) == ["runtime_by_batch_size_EPYC_n_iter_1_sd2"]


def test_several_machines_have_one_chart_per_batch_size_by_device(tmp_path: Path) -> None:
    for gpu in ("t4", "a100"):
        for batch_size in (1, 2):
            write_gpu(tmp_path, gpu, batch_size=batch_size)
    assert list(charts_of(tmp_path)) == [
        "runtime_by_batch_size_T4_n_iter_1_sd2",
        "runtime_by_batch_size_A100_n_iter_1_sd2",
        "runtime_by_gpu_n_samples_1_n_iter_1_sd2",
        "runtime_by_gpu_n_samples_2_n_iter_1_sd2",
    ]


def test_a_machine_without_times_makes_no_chart_by_device(tmp_path: Path) -> None:
    write_gpu(tmp_path, "t4")
    environment = sample_environment("a100", device="NVIDIA A100")
    broken = sample_record(status="failed", reason="broken", gpu="a100", environment=environment)
    write_sample(tmp_path, broken)
    assert not any("by_gpu" in stem for stem in charts_of(tmp_path))


def test_the_chart_over_batch_sizes(tmp_path: Path) -> None:
    chart = charts_of(write_main_sweep(tmp_path))["runtime_by_batch_size_EPYC_n_iter_1_sd2"]
    assert chart.title == "Runtime on EPYC: sd2, 128x128 pixels, 4 steps, plms, fp32"
    assert (chart.groups, chart.series) == (["1", "2", "4"], ["math", "flash"])
    assert (chart.x_label, chart.y_label) == ("Batch size [images]", "Runtime of a round [s]")
    bar = chart.bars["4", "flash"]
    assert bar.value == pytest.approx(8.4)
    assert (bar.low, bar.high) == pytest.approx((3.32, 13.48), abs=0.01)
    assert (bar.text, bar.verdict) == ("8.40", "too few rounds")


def test_the_baselines_own_bar_has_no_verdict(tmp_path: Path) -> None:
    chart = charts_of(write_main_sweep(tmp_path))["runtime_by_batch_size_EPYC_n_iter_1_sd2"]
    assert chart.bars["4", "math"].verdict == ""


def test_the_published_form_has_gpus_on_x_and_presets_side_by_side(tmp_path: Path) -> None:
    for gpu in ("a100", "t4", "h100"):
        write_gpu(tmp_path, gpu)
    chart = charts_of(tmp_path)["runtime_by_gpu_n_samples_1_n_iter_1_sd2"]
    assert chart.title == "Runtime at batch size 1: sd2, 128x128 pixels, 4 steps, plms, fp32"
    assert (chart.groups, chart.x_label) == (["T4", "A100", "H100"], "Device")
    assert chart.series == list(PUBLISHED_PRESETS)
    assert chart.bars["A100", "optimized"].value == 7.0


def test_a_series_has_the_same_colour_in_every_chart(tmp_path: Path) -> None:
    seconds = {(1, "math"): [1.0], (1, "flash"): [1.0], (2, "flash"): [1.0], (2, "cudnn"): [1.0]}
    charts = charts_of(write_sweep(tmp_path, seconds)).values()
    colours = {tuple(sorted(chart.colours.items())) for chart in charts}
    assert len(colours) == 1


def test_gaps_carry_their_reason(tmp_path: Path) -> None:
    write_main_sweep(tmp_path)
    for batch_size in (1, 2):
        record = sample_record(
            status="unsupported", reason="needs CUDA", attention="cudnn", batch_size=batch_size
        )
        write_sample(tmp_path, record)
    chart = charts_of(tmp_path)["runtime_by_batch_size_EPYC_n_iter_1_sd2"]
    assert chart.bars["1", "cudnn"].gap == "unsupported: needs CUDA"
    assert chart.bars["4", "cudnn"].gap == "not run"
    assert chart.bars["4", "math"].gap == ""


def test_doubtful_bars_are_marked_and_the_caption_explains(tmp_path: Path) -> None:
    write_sweep(tmp_path, {(1, "math"): [2.0]})
    write_sweep(tmp_path, {(1, "flash"): [1.0]}, changes={(1, "flash"): 0.5}, proven=False)
    chart = charts_of(tmp_path)["runtime_by_batch_size_EPYC_n_iter_1_sd2"]
    assert chart.bars["1", "flash"].text == "1.00†‡"
    assert chart.bars["1", "math"].text == "2.00"
    assert "† kernels not proven; ‡ output differs." in chart.caption


def test_the_caption_says_what_is_special_and_the_picture_where_it_was_measured(
    tmp_path: Path,
) -> None:
    chart = charts_of(write_main_sweep(tmp_path))["runtime_by_batch_size_EPYC_n_iter_1_sd2"]
    assert chart.caption == [
        "Lower is better. Means of 2 rounds with 95 % intervals (estimates, not verdicts).",
        "The word above a bar is its verdict against attention=math.",
    ]
    assert chart.origin == "AMD EPYC, PyTorch 2.15.0, 2026-11-23"


def test_the_title_names_only_what_all_bars_share(tmp_path: Path) -> None:
    write_sweep(tmp_path, {("bf16",): [1.0], ("fp32",): [1.0]}, axes=("precision",))
    (first, *_) = charts_of(tmp_path).values()
    assert first.title == "Runtime on EPYC: sd2, 128x128 pixels, 4 steps, plms"


def test_the_caption_of_ten_rounds(tmp_path: Path) -> None:
    ten = [10.0 + number / 100 for number in range(10)]
    write_sweep(tmp_path, {(1, "math"): ten, (1, "flash"): ten}, n_iter=2)
    (first, *_) = charts_of(tmp_path, "attention=flash").values()
    assert first.caption == [
        "Lower is better. Means of 10 rounds with 95 % intervals.",
        "The word above a bar is its verdict against flash.",
    ]


@pytest.mark.parametrize(
    ("rounds", "expected"),
    [
        (([1.0], [1.0]), "One round, so no interval: an estimate."),
        (([1.0] * 2, [1.0] * 12), "Means of 2 to 12 rounds with 95 % intervals (estimates"),
    ],
)
def test_the_caption_says_how_many_rounds(
    tmp_path: Path, rounds: tuple[list[float], list[float]], expected: str
) -> None:
    write_sweep(tmp_path, {(1, "math"): rounds[0], (1, "flash"): rounds[1]})
    (first, *_) = charts_of(tmp_path).values()
    assert expected in first.caption[0]


def test_the_origin_names_two_devices_and_counts_more(tmp_path: Path) -> None:
    write_gpu(tmp_path, "t4")
    write_gpu(tmp_path, "a100")
    name = "runtime_by_gpu_n_samples_1_n_iter_1_sd2"
    assert charts_of(tmp_path)[name].origin == (
        "NVIDIA T4 and NVIDIA A100, PyTorch 2.15.0, 2026-11-23"
    )
    write_gpu(tmp_path, "h100", torch="2.20.0")
    assert charts_of(tmp_path)[name].origin == ("3 devices, PyTorch 2.15.0 and 2.20.0, 2026-11-23")


@pytest.mark.parametrize(
    ("starts", "expected"),
    [
        (["2026-11-23T01:00:00", "2026-11-25T01:00:00"], "2026-11-23 to 2026-11-25"),
        (["yesterday", "today"], "date unknown"),
    ],
)
def test_the_origin_says_when(tmp_path: Path, starts: list[str], expected: str) -> None:
    for index, started_at in enumerate(starts):
        write_sample(tmp_path, sample_record(1.0, round_index=index, started_at=started_at))
    (first, *_) = charts_of(tmp_path).values()
    assert first.origin == f"AMD EPYC, PyTorch 2.15.0, {expected}"


def test_two_torch_versions_of_one_gpu_share_a_chart(tmp_path: Path) -> None:
    for torch_env, torch in (("original", "1.12.1"), ("optimized", "2.15.0")):
        environment = sample_environment(torch_env, torch=torch)
        record = sample_record(1.0, torch_env=torch_env, environment=environment)
        write_sample(tmp_path, record)
    chart = charts_of(tmp_path)["runtime_by_batch_size_EPYC_n_iter_1_sd2"]
    assert chart.series == ["torch_env original", "torch_env optimized"]
    assert chart.origin == "AMD EPYC, PyTorch 1.12.1 and 2.15.0, 2026-11-23"


def test_two_machines_with_one_gpu_have_a_chart_each(tmp_path: Path) -> None:
    for fingerprint in ("aaa", "bbb"):
        environment = sample_environment(fingerprint)
        write_sample(tmp_path, sample_record(1.0, sweep=fingerprint, environment=environment))
    charts = charts_of(tmp_path)
    assert "runtime_by_batch_size_EPYC_1_n_iter_1_sd2" in charts
    assert "runtime_by_batch_size_EPYC_2_n_iter_1_sd2" in charts
    together = charts["runtime_by_gpu_n_samples_1_n_iter_1_sd2"]
    assert together.groups == ["EPYC (1)", "EPYC (2)"]


def test_different_work_never_shares_a_chart(tmp_path: Path) -> None:
    write_sweep(tmp_path, {(256,): [1.0], (512,): [1.0]}, axes=("width",))
    assert list(charts_of(tmp_path)) == [
        "runtime_by_batch_size_EPYC_n_iter_1_sd2_256x128",
        "runtime_by_batch_size_EPYC_n_iter_1_sd2_512x128",
    ]


def test_file_names_are_safe_and_distinct(tmp_path: Path) -> None:
    for device in ("../a b", "../a:b"):
        environment = sample_environment(device, device=device)
        write_sample(tmp_path, sample_record(1.0, gpu=device, environment=environment))
    assert list(charts_of(tmp_path))[:2] == [
        "runtime_by_batch_size_.._a_b_n_iter_1_sd2",
        "runtime_by_batch_size_.._a_b_n_iter_1_sd2_2",
    ]


def test_without_a_measured_cell_there_is_no_chart(tmp_path: Path) -> None:
    write_sample(tmp_path, sample_record(status="failed", reason="broken"))
    assert charts_of(tmp_path) == {}


def test_every_chart_is_written_as_png_and_svg(tmp_path: Path) -> None:
    write_sweep(tmp_path, {(1, "math"): [2.0], (2, "math"): [3.0]})
    with drawing(dict(charts_of(tmp_path)), tmp_path) as finish:
        ((png, svg),) = finish()
    paths = (png, svg)
    for path in paths:
        start = path.read_bytes()[:200]
        begin = {".png": b"\x89PNG", ".svg": b"<?xml"}[path.suffix]
        assert start.startswith(begin)


def test_gaps_that_differ_in_numbers_only_share_one_short_reason(tmp_path: Path) -> None:
    write_sample(tmp_path, sample_record(1.0))
    for size in (2, 4):
        reason = f"CUDA out of memory. Process {size}{size} tried to get {size}.5 GiB " + "x " * 99
        write_sample(tmp_path, sample_record(status="oom", reason=reason, batch_size=size))
    chart = charts_of(tmp_path)["runtime_by_batch_size_EPYC_n_iter_1_sd2"]
    gaps = {bar.gap for bar in chart.bars.values()} - {""}
    assert gaps == {"oom: CUDA out of memory. Process … tried to get … GiB x x x x x x x…"}


def test_a_median_is_called_a_median_everywhere_on_the_chart(tmp_path: Path) -> None:
    write_sample(tmp_path, sample_record(1.0, 2.0, 4.0, n_iter=3))
    cells = summarise(load_records(tmp_path), "median-iteration")
    chart = next(iter(select_runtime_charts(compare(cells)).values()))
    assert chart.bars["1", "flash"].value == 2.0
    assert chart.title.startswith("Median iteration on EPYC: ")
    assert chart.y_label == "Median iteration of a round [s]"
