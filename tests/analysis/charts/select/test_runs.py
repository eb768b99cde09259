"""The per-run plots of a sweep: their names, titles and runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from analysis import compare, load_records, summarise
from analysis.charts.kinds.runs import RunChart
from analysis.charts.select.runs import select_run_charts
from analysis.charts.select.runtimes import select_runtime_charts
from tests.support.records import (
    PRESETS,
    sample_environment,
    sample_record,
    sample_times,
    write_main_sweep,
    write_sample,
    write_sweep,
)


def charts_of(root: Path) -> dict[str, RunChart]:
    rounds = load_records(root)
    return select_run_charts(rounds, compare(summarise(rounds)))


def write_published_form(root: Path) -> Path:
    """The five presets on an A10, interleaved, with three rounds of two iterations."""
    environment = sample_environment(device="NVIDIA A10")
    for round_index in range(3):
        for number, (name, bundle) in enumerate(PRESETS.items()):
            record = sample_record(
                10.0 - number,
                10.0 - number + round_index / 10,
                gpu="a10",
                preset=name,
                batch_size=2,
                n_iter=2,
                round_index=round_index,
                environment=environment,
                started_at=f"2026-11-23T10:0{round_index}:0{number}",
                **bundle,
            )
            write_sample(root, record)
    return root


def test_the_published_form_has_the_published_name(tmp_path: Path) -> None:
    charts = charts_of(write_published_form(tmp_path))
    assert list(charts) == ["original_vs_optimized_A10_n_samples_2_n_iter_2_sd2"]


def test_runs_are_numbered_in_the_order_in_which_they_ran(tmp_path: Path) -> None:
    (chart,) = charts_of(write_published_form(tmp_path)).values()
    number_of = {run.run_number: name for name, runs in chart.runs.items() for run in runs}
    assert [number_of[number] for number in range(15)] == list(PRESETS) * 3


def write_rounds(root: Path, flash_s: float, **fixed: Any) -> Path:
    """Eight rounds of math at one second each, and eight of flash."""
    scatter = (1.00, 1.01, 0.99, 1.005, 0.995, 1.01, 0.99, 1.0)
    cells = {
        (1, name): [mean_s * factor for factor in factors]
        for name, mean_s, factors in (("math", 1.0, scatter[::-1]), ("flash", flash_s, scatter))
    }
    return write_sweep(root, cells, **fixed)


def test_the_title_says_what_the_verdict_on_the_fastest_claims(tmp_path: Path) -> None:
    (chart,) = charts_of(write_rounds(tmp_path, 0.5)).values()
    assert chart.title == (
        "Runs of sd2 on EPYC at batch size 1: flash is 2.00 times as fast as math"
    )


@pytest.mark.parametrize(
    ("flash_s", "fixed"),
    [
        (1.0, {}),
        (2.0, {}),
        (0.5, {"proven": False}),
        (0.5, {"changes": {(1, "flash"): 0.5}}),
    ],
    ids=["same", "the baseline is the fastest", "no proof", "no parity"],
)
def test_without_a_claim_the_title_says_none(
    tmp_path: Path, flash_s: float, fixed: dict[str, Any]
) -> None:
    (chart,) = charts_of(write_rounds(tmp_path, flash_s, **fixed)).values()
    assert chart.title == "Runs of sd2 on EPYC at batch size 1"


def test_one_plot_per_batch_size(tmp_path: Path) -> None:
    charts = charts_of(write_main_sweep(tmp_path))
    assert list(charts) == [f"runs_EPYC_n_samples_{size}_n_iter_1_sd2" for size in (1, 2, 4)]
    chart = charts["runs_EPYC_n_samples_4_n_iter_1_sd2"]
    assert chart.title == "Runs of sd2 on EPYC at batch size 4"
    drawn = [run.runtime_s for runs in chart.runs.values() for run in runs]
    assert sorted(drawn) == [8.0, 8.8, 10.0, 10.8]


def test_throttled_runs_are_mentioned_and_drawn(tmp_path: Path) -> None:
    times = sample_times(1.0, 1.1)
    marked = [
        structs.replace(i, flags=marks)
        for i, marks in zip(times.iterations, ([], ["throttled: sw_power_cap"]), strict=True)
    ]
    extra = {"times": structs.replace(times, iterations=marked)}
    write_sample(tmp_path, sample_record(extra=extra))
    write_sample(tmp_path, sample_record(1.0, 1.0, round_index=1))
    (chart,) = charts_of(tmp_path).values()
    (runs,) = chart.runs.values()
    assert [run.throttled for run in runs] == [True, False]
    assert chart.caption[1:] == ["Crosses: throttled.", "§ throttled."]


def test_a_drift_over_rounds_is_mentioned(tmp_path: Path) -> None:
    for round_index in range(8):
        runtime_s = 10.0 * (1 + 0.01 * round_index)
        write_sample(tmp_path, sample_record(runtime_s, round_index=round_index))
    (chart,) = charts_of(tmp_path).values()
    assert chart.caption[1:] == ["~ times drift."]


def test_a_series_has_its_colour_of_the_bar_charts_where_another_did_not_run(
    tmp_path: Path,
) -> None:
    write_sample(tmp_path, sample_record(1.0, attention="original"))
    write_sample(tmp_path, sample_record(status="unsupported", reason="no", attention="xformers"))
    write_sample(tmp_path, sample_record(2.0, attention="math"))
    rounds = load_records(tmp_path)
    deltas = compare(summarise(rounds))
    (runs,) = select_run_charts(rounds, deltas).values()
    bars = next(iter(select_runtime_charts(deltas).values()))
    assert runs.colours["math"] == bars.colours["math"]
    lines = runs.draw().axes[0].get_lines()
    assert bars.colours["math"] in {line.get_color() for line in lines}
