"""Every kind of chart is readable: no text is cut or overlaps, no interval leaves the axes."""

from __future__ import annotations

import pytest

from analysis.charts.colours import colour_series
from analysis.charts.kinds.base import Chart
from analysis.charts.kinds.lines import LineChart, Point
from analysis.charts.kinds.roofline import Roofline
from analysis.charts.kinds.runs import Run, RunChart
from analysis.charts.kinds.sizes import SCREEN, Sizes, fit_column
from analysis.charts.kinds.stacks import StackChart
from analysis.charts.kinds.waterfall import Waterfall
from tests.support.figures import assert_lines_stay_inside, assert_texts_are_readable

SERIES = ["math (fp32 inside)", "flash", "flash, compile default"]
ALL = {"caption": ["Not drawn."], "origin": "AMD EPYC, PyTorch 2.15.0, 2026-11-23"}


def lines(*points: Point) -> LineChart:
    return LineChart(
        title="Images per second on cpu: sd2",
        x_label="Batch size [images]",
        y_label="Images per second",
        lines={name: list(points) for name in SERIES},
        colours=colour_series(SERIES),
        flags=dict.fromkeys(SERIES, ""),
        **ALL,  # type: ignore[arg-type]
    )


CHARTS: dict[str, Chart] = {
    "lines": lines(Point(1, 2.0, 1.9, 2.1), Point(2, 3.0, 2.9, 3.1), Point(16, 4.0, 3.0, 5.0)),
    "lines, intervals cut": lines(Point(1, 2.0, -9.0, 99.0), Point(2, 0.1, 0.0, 3.0)),
    "runs": RunChart(
        title="Runs",
        runs={name: [Run(at, 1.0 + at)] for at, name in enumerate(SERIES)},
        **ALL,  # type: ignore[arg-type]
    ),
    "stacks": StackChart(
        title="Stages",
        x_label="Seconds of an iteration",
        bars={
            f"{name}, batch {size}": {"text encoder": 0.01, "denoising": size, "autoencoder": 0.5}
            for name in SERIES
            for size in (1.0, 4.0)
        },
        gaps={"diffusers_pipeline, batch 1": "one call, without stages"},
        **ALL,  # type: ignore[arg-type]
    ),
    "waterfall": Waterfall(
        title="A step",
        begin=("math (fp32 inside)", 0.1),
        changes={"attention": -0.06, "everything else": 0.001, "copies": 0.03},
        end=("flash, compile default", 0.071),
        **ALL,  # type: ignore[arg-type]
    ),
    "roofline": Roofline(
        title="Roofline",
        achieved={"flash": 5e12, "math": 1e12},
        peaks={"autocast": 100e12, "fp32": 20e12},
        bandwidth=500e9,
        colours=colour_series(["flash", "math"]),
        **ALL,  # type: ignore[arg-type]
    ),
}


@pytest.mark.parametrize("sizes", [SCREEN, fit_column(3.3, 7.0, 8.0)], ids=["screen", "column"])
@pytest.mark.parametrize("chart", CHARTS.values(), ids=CHARTS)
def test_texts_are_readable_and_intervals_inside(chart: Chart, sizes: Sizes) -> None:
    figure = chart.draw(sizes)
    assert_texts_are_readable(figure)
    for axes in figure.axes:
        assert_lines_stay_inside(axes)


@pytest.mark.parametrize("chart", CHARTS.values(), ids=CHARTS)
def test_the_origin_is_drawn_and_the_caption_is_not(chart: Chart) -> None:
    written = [text.get_text() for text in chart.draw().texts]
    assert "AMD EPYC, PyTorch 2.15.0, 2026-11-23" in written
    assert "Not drawn." not in written


def test_a_cut_interval_of_a_line_is_printed_in_the_legend() -> None:
    (legend,) = CHARTS["lines, intervals cut"].draw().legends
    assert legend.get_texts()[1].get_text() == "flash (interval 0 to 99 at 1, 0 to 3 at 2)"
