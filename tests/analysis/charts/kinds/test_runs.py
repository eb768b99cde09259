"""The per-run plot, read back from its axes."""

from __future__ import annotations

import numpy as np
from matplotlib.colors import to_hex

from analysis.charts.colours import colour_series
from analysis.charts.kinds.runs import Run, RunChart

RUNS = {
    "optimized": [Run(0, 8.0), Run(2, 8.5)],
    "original_xformers": [Run(1, 10.0), Run(3, 11.0)],
}


def chart(runs: dict[str, list[Run]] = RUNS) -> RunChart:
    return RunChart(title="Runs.", runs=runs, caption=["A caption."])


def test_runs_are_points_in_the_colour_of_their_series() -> None:
    (axes,) = chart().draw().axes
    points = {
        to_hex(line.get_color()): tuple(np.asarray(line.get_data()).tolist())
        for line in axes.lines
        if line.get_marker() == "o"
    }
    colours = colour_series(["original_xformers", "optimized"])
    assert points == {
        colours["original_xformers"]: ([1, 3], [10.0, 11.0]),
        colours["optimized"]: ([0, 2], [8.0, 8.5]),
    }


def test_means_are_lines_and_in_the_legend() -> None:
    figure = chart().draw()
    (axes,) = figure.axes
    lines = [line for line in axes.lines if line.get_linestyle() == "-"]
    means = [float(np.asarray(line.get_ydata())[0]) for line in lines]
    assert sorted(means) == [8.25, 10.5]
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == ["optimized: mean 8.25 s ± 4.3 %", "original_xformers: mean 10.50 s ± 6.7 %"]


def test_throttled_runs_are_crosses() -> None:
    (axes,) = chart(RUNS | {"optimized": [Run(0, 8.0), Run(2, 8.5, throttled=True)]}).draw().axes
    crosses = [line for line in axes.lines if line.get_marker() == "x"]
    drawn = [np.asarray(line.get_data()).tolist() for line in crosses]
    assert [points for points in drawn if points[0]] == [[[2], [8.5]]]


def test_the_range_of_the_runs_fills_the_axis() -> None:
    figure = chart().draw()
    (axes,) = figure.axes
    assert 7.0 < axes.get_ylim()[0] < 8.0 < 11.0 < axes.get_ylim()[1] < 12.0
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("Run number", "Runtime [s]")


def test_the_alternative_text_has_the_numbers() -> None:
    assert chart().alt() == (
        "Scatter plot of runtime by run number. Runs. "
        "optimized: mean 8.25 s ± 4.3 %; original_xformers: mean 10.50 s ± 6.7 %."
    )
