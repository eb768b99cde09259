"""The per-run plot, read back from its axes."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.colors import to_hex

from analysis.per_run import draw_runs
from analysis.series import series_colours

RUNS = pd.DataFrame(
    {
        "run_number": [0, 1, 2, 3],
        "series": ["optimized", "original", "optimized", "original"],
        "runtime_s": [8.0, 10.0, 8.5, 11.0],
    }
)


def test_runs_are_points_in_the_colour_of_their_series() -> None:
    (axes,) = draw_runs(RUNS, title="Runs", caption=["A caption."]).axes
    points = {
        to_hex(line.get_color()): tuple(np.asarray(line.get_data()).tolist())
        for line in axes.lines
        if line.get_marker() == "o"
    }
    colours = series_colours(["original", "optimized"])
    assert points == {
        colours["original"]: ([1, 3], [10.0, 11.0]),
        colours["optimized"]: ([0, 2], [8.0, 8.5]),
    }


def test_means_are_lines_and_in_the_legend() -> None:
    figure = draw_runs(RUNS, title="Runs", caption=["A caption."])
    (axes,) = figure.axes
    lines = [line for line in axes.lines if line.get_marker() != "o"]
    means = [float(np.asarray(line.get_ydata())[0]) for line in lines]
    assert sorted(means) == [8.25, 10.5]
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == ["optimized: mean 8.25 s", "original: mean 10.50 s"]


def test_axes_begin_at_zero_and_have_units() -> None:
    (axes,) = draw_runs(RUNS, title="Runs", caption=[]).axes
    assert axes.get_ylim()[0] == 0
    assert axes.get_ylim()[1] > 11.0
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("Run number", "Runtime [s]")
